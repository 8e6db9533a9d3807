"""Rules in one line, as failures print them and `--timeskip-faults` takes them.

    kill-worker at activity:charge_card#1:before-report
    kill-worker at workflow-task:order-1:3 restart-after=1h; latency at activity:* by=2s
    fail-rpc at rpc:StartWorkflowExecution code=UNAVAILABLE times=3
    fail-activity at activity:charge_card#1 message="card declined" non-retryable
    lose-all-workers at time:1h30m length=1h optional

A rule is a verdict, the word `at`, a pattern, and options; rules are separated by `;`. Options are
those of the verdict and `times=N` or `times=always`, `skip=N`, `optional`. An option that is true
needs no value. A word with a space, a `;` or a `"` in it is written as a JSON string.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, get_type_hints

from timeskip.errors import FaultPlanError
from timeskip.faults.crash_points import KINDS
from timeskip.faults.durations import duration_text, parse_duration
from timeskip.faults.rules import Rule
from timeskip.faults.verdicts import VERDICTS, Verdict
from timeskip.server.errors import StatusCode

_TOKEN = re.compile(r'\s*(?:(?P<end>;)|(?P<word>(?:"(?:[^"\\]|\\.)*"|[^\s;"])+))')
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_BARE = re.compile(r'[^\s;"]+')

_NEVER = "never"
_ALWAYS = "always"


def rule_text(rule: Rule) -> str:
    """The line that `parse_plan` makes the same rule of; one with a predicate has no such line."""
    where = _word(rule.at) if isinstance(rule.at, str) else f"<{_predicate_name(rule.at)}>"
    words = [rule.verdict.name, "at", where]
    for option in dataclasses.fields(rule.verdict):
        value = getattr(rule.verdict, option.name)
        if value != option.default:
            words.append(_option(option.name, value))
    if rule.times != rule.verdict.usual_times:
        words.append(f"times={_ALWAYS if rule.times is None else rule.times}")
    if rule.skip:
        words.append(f"skip={rule.skip}")
    if rule.optional:
        words.append("optional")
    return " ".join(words)


def plan_text(rules: Iterable[Rule]) -> str:
    """Several rules in one line."""
    return "; ".join(map(rule_text, rules))


def parse_plan(text: str, verdicts: Mapping[str, type[Verdict]] = VERDICTS) -> list[Rule]:
    """The rules of a line; raises `FaultPlanError` if it is none."""
    rules: list[Rule] = []
    words: list[str] = []
    position = 0
    while position < len(text.rstrip()):
        token = _TOKEN.match(text, position)
        if token is None:
            raise FaultPlanError(f"a quotation mark is missing in {text!r}")
        position = token.end()
        if token["end"]:
            rules += _rule(words, verdicts)
            words = []
        else:
            words.append(token["word"])
    return rules + _rule(words, verdicts)


def check_pattern(pattern: str) -> str:
    """The pattern itself; raises `FaultPlanError` if nothing can ever match it."""
    kind = pattern.partition(":")[0]
    if "*" not in kind and kind not in KINDS:
        raise FaultPlanError(
            f"{pattern!r} names no place for a fault: it has to begin with one of "
            f"{', '.join(f'{each}:' for each in KINDS)}"
        )
    if kind == "time":
        _duration(pattern.partition(":")[2])
    return pattern


def _rule(words: list[str], verdicts: Mapping[str, type[Verdict]]) -> list[Rule]:
    if not words:
        return []
    verdict_type = verdicts.get(words[0])
    if verdict_type is None:
        known = ", ".join(sorted(verdicts))
        raise FaultPlanError(f"there is no fault {words[0]!r}; there are {known}")
    if len(words) < 3 or words[1] != "at":
        raise FaultPlanError(f"'{words[0]} at WHERE' is needed, not '{' '.join(words)}'")
    given = dict(map(_split, words[3:]))
    times = given.pop("times", None)
    skip = given.pop("skip", None)
    optional = given.pop("optional", False)
    rule = Rule(
        _verdict(verdict_type, given),
        check_pattern(_plain(words[2])),
        times=_times(times) if times is not None else verdict_type.usual_times,
        skip=0 if skip is None else _number(skip),
        optional=optional is not False,
    )
    return [rule]


def _verdict(verdict_type: type[Verdict], given: dict[str, str | None]) -> Verdict:
    hints = get_type_hints(verdict_type)
    values: dict[str, Any] = {}
    for option in dataclasses.fields(verdict_type):
        name = option.name.replace("_", "-")
        if name in given:
            values[option.name] = _value(hints[option.name], given.pop(name), name)
        elif option.default is dataclasses.MISSING:
            raise FaultPlanError(f"{verdict_type.name} needs {name}=...")
    if given:
        raise FaultPlanError(f"{verdict_type.name} has no option {', '.join(given)}")
    return verdict_type(**values)


def _value(kind: Any, text: str | None, name: str) -> object:
    if kind is bool:
        return text in (None, "true")
    if text is None:
        raise FaultPlanError(f"{name} needs a value: {name}=...")
    if kind is int:
        return _number(text)
    if kind is StatusCode:
        if text not in StatusCode.__members__:
            raise FaultPlanError(f"there is no gRPC status code {text}")
        return StatusCode[text]
    if kind is str:
        return text
    if text == _NEVER and kind != timedelta:
        return None
    return _duration(text)


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise FaultPlanError(str(error)) from None


def _times(text: str) -> int | None:
    return None if text == _ALWAYS else _number(text)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise FaultPlanError(f"{text!r} is not a number")
    return int(text)


def _split(word: str) -> tuple[str, str | None]:
    name, separator, value = word.partition("=")
    return name, _plain(value) if separator else None


def _plain(word: str) -> str:
    """A word without its quotation marks."""
    if _STRING.fullmatch(word) is None:
        return word
    try:
        return str(json.loads(word))
    except ValueError:
        raise FaultPlanError(f"{word} is not a JSON string") from None


def _word(text: str) -> str:
    return text if _BARE.fullmatch(text) else json.dumps(text)


def _option(name: str, value: object) -> str:
    name = name.replace("_", "-")
    if value is True:
        return name
    if value is None:
        return f"{name}={_NEVER}"
    if value is False:
        return f"{name}=false"
    if isinstance(value, StatusCode):
        return f"{name}={value.name}"
    if isinstance(value, timedelta):
        return f"{name}={duration_text(value)}"
    return f"{name}={_word(str(value))}"


def _predicate_name(predicate: object) -> str:
    return str(getattr(predicate, "__qualname__", type(predicate).__qualname__))
