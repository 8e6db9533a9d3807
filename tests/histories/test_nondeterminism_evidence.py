"""What counts as evidence: which calls, which sets, which state."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from datetime import date, datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from timeskip.histories.nondeterminism.calls import Kind
from timeskip.histories.nondeterminism.handlers import unreplayed_changes, unreplayed_handlers
from timeskip.histories.nondeterminism.once import made_at_import, made_with_functions
from timeskip.histories.nondeterminism.sets import is_of_asyncio_wait
from timeskip.histories.nondeterminism.state import StateName, fingerprint
from timeskip.histories.nondeterminism.trace import Source, Trace
from timeskip.histories.replaying.commands import Place

CALLS: dict[str, tuple[Callable[[], object], Kind]] = {
    "random.random": (lambda: random.random(), Kind.RANDOM),
    "random.choice": (lambda: random.choice("ab"), Kind.RANDOM),
    "random.shuffle": (lambda: random.shuffle([1, 2]), Kind.RANDOM),
    "random.Random()": (lambda: random.Random(), Kind.RANDOM),
    "os.urandom": (lambda: os.urandom(1), Kind.RANDOM),
    "uuid.uuid4": (lambda: uuid.uuid4(), Kind.UUID),
    "uuid.uuid1": (lambda: uuid.uuid1(), Kind.UUID),
    "datetime.fromtimestamp": (lambda: datetime.fromtimestamp(0), Kind.TIME_ZONE),  # noqa: DTZ006
    "time.time": (lambda: time.time(), Kind.CLOCK),
    "time.monotonic_ns": (lambda: time.monotonic_ns(), Kind.CLOCK),
    "datetime.now": (lambda: datetime.now(timezone.utc), Kind.CLOCK),
    "datetime.today": (lambda: date.today(), Kind.CLOCK),  # noqa: DTZ011
    "os.environ['HOME']": (lambda: os.environ.get("HOME"), Kind.ENVIRONMENT),
    "socket.gethostname": (lambda: socket.gethostname(), Kind.PROCESS),
    "sys.argv": (lambda: sys.argv, Kind.ENVIRONMENT),
    "open": (lambda: open(os.devnull).close(), Kind.FILES),
    "os.getpid": (lambda: os.getpid(), Kind.PROCESS),
    "id": (lambda: id(CALLS), Kind.IDENTITY),
    "set.pop": (lambda: {"a", "b"}.pop(), Kind.SET_ORDER),
    "time.localtime": (lambda: time.localtime(), Kind.CLOCK),
    "time.strftime": (lambda: time.strftime("%a"), Kind.CLOCK),
    "hash": (lambda: hash("a"), Kind.HASH),
    "threading.get_ident": (lambda: threading.get_ident(), Kind.THREADS),
    "threading.current_thread": (lambda: threading.current_thread(), Kind.THREADS),
    "subprocess.run": (lambda: subprocess.run([sys.executable, "-V"]), Kind.PROCESS),
}


@pytest.mark.parametrize("name", CALLS)
def test_call_is_evidence(name: str) -> None:
    call, kind = CALLS[name]
    trace = Trace()
    with trace.watching():
        call()
    assert (kind, name) in [(source.kind, source.name) for source in trace.sources]
    assert all(source.place.path == __file__ for source in trace.sources)


@pytest.mark.asyncio
async def test_order_in_which_futures_end_is_evidence() -> None:
    trace = Trace()
    with trace.watching():
        list(asyncio.as_completed(()))
    assert (Kind.SET_ORDER, "asyncio.as_completed") in [
        (source.kind, source.name) for source in trace.sources
    ]


@pytest.mark.parametrize(
    "call",
    [
        lambda: random.Random(7).random(),
        lambda: datetime(2024, 1, 1, tzinfo=timezone.utc).isoformat(),
        lambda: {1, 2}.pop(),
        lambda: uuid.UUID(int=7),
        lambda: Path("a") / "b",
        lambda: time.localtime(0),
        lambda: datetime.fromtimestamp(0, timezone.utc),
        lambda: datetime.fromtimestamp(0, tz=timezone.utc),
        lambda: time.strftime("%a", time.gmtime(0)),
        lambda: f"{datetime(2024, 1, 1, tzinfo=timezone.utc):%a}",
        lambda: {("a", 1): 2}["a", 1],
        lambda: logging.getLogger("quiet").warning("told"),
    ],
)
def test_call_is_no_evidence(call: Callable[[], object]) -> None:
    trace = Trace()
    with trace.watching():
        call()
    assert trace.sources == []


class Basket:
    def __init__(self) -> None:
        self.items = {"tea", "cups"}


SETS = """
import itertools

NAMES = {"a", "b"}
BY_NAME = {"x": NAMES}

class Basket:
    items = NAMES

    def chosen(self):
        return set(self.items)

Basket.all = [Basket(), Basket()]

def use(basket):
    chosen = basket.chosen()
    %s
"""


def sets_in(tmp_path: Path, statement: str) -> list[str]:
    """The sets that are found where a line of code runs."""
    return [
        source.name for source in evidence_in(tmp_path, statement) if source.kind is Kind.SET_ORDER
    ]


def evidence_in(tmp_path: Path, statement: str) -> list[Source]:
    """All that is found where a line of code runs."""
    file = tmp_path / "code_with_sets.py"
    file.write_text(SETS % statement)
    names: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), names)
    trace = Trace()
    with trace.watching():
        names["use"](names["Basket"]())
    return trace.sources


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("for name in NAMES: pass", "NAMES"),
        ("[name for name in basket.items]", "basket.items"),
        ("list(chosen)", "chosen"),
        ("[*chosen]", "chosen"),
        ("tuple(NAMES | {'c'})", "NAMES | {'c'}"),
        ("[name for name in basket.chosen()]", "basket.chosen()"),
        ("''.join(BY_NAME['x'])", "BY_NAME['x']"),
        ("list(enumerate(set('ab')))", "enumerate(set('ab'))"),
        ("next(iter(NAMES.union('c')))", "iter(NAMES.union('c'))"),
        ("for key in {'a': 1}.keys() - {'b'}: pass", "{'a': 1}.keys() - {'b'}"),
        ("list(chosen if basket else ())", "chosen if basket else ()"),
        ("first, second = chosen", "chosen"),
        ("[].extend({'a', 'b'})", "{'a', 'b'}"),
        ("next(itertools.chain(chosen, 'c'))", "chosen"),
        ("max(chosen, key=len)", "chosen by key"),
        ("sorted(chosen, key=lambda name: name > 'c')", "chosen by key"),
    ],
)
def test_set_is_seen_where_its_order_shows(tmp_path: Path, statement: str, name: str) -> None:
    assert name in sets_in(tmp_path, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "sorted(NAMES)",
        "list({1, 2})",
        "list(['a', 'b'])",
        "'a' in NAMES",
        "max(len(name) for name in NAMES)",
        "max(chosen, key=str.lower)",
        "sorted(chosen, key=lambda name: name[0])",
        "min(chosen, key=unknown) if False else 0",
        "{name for name in NAMES}",
        "list({'a'})[:0] if False else sorted(name for name in chosen)",
        "list(unknown) if False else 0",
    ],
)
def test_set_is_not_seen_where_its_order_does_not_show(tmp_path: Path, statement: str) -> None:
    found = sets_in(tmp_path, statement)
    assert [name for name in found if name != "{'a'}"] == []


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("sorted(basket.items, key=id)", Kind.IDENTITY),
        ("min(['b', 'a'], key=hash)", Kind.HASH),
        ("sorted(basket.items, key=len)", None),
        ("sorted(basket.all, key=str)", Kind.IDENTITY),
        ("sorted(basket.items, key=str)", None),
        ("str(basket)", Kind.IDENTITY),
        ("f'{basket} and {chosen}'", Kind.IDENTITY),
        ("repr(NAMES) + str(1)", None),
    ],
)
def test_order_by_what_differs_in_each_process_is_seen(
    tmp_path: Path, statement: str, kind: Kind | None
) -> None:
    found = evidence_in(tmp_path, statement)
    assert {each.kind for each in found} - {Kind.SET_ORDER} == ({kind} if kind else set())


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["list"].append(1),
        lambda state: state["dict"].update(a=2),
        lambda state: state["set"].add(3),
        lambda state: setattr(state["object"], "items", {"other"}),
        lambda state: state["random"].random(),
        lambda state: next(state["count"]),
        lambda state: state.update(flag=True),
        lambda state: state["nested"]["a"].append(0),
    ],
)
def test_change_of_state_is_seen(change: Callable[[dict[str, Any]], object]) -> None:
    state: dict[str, Any] = {
        "list": [],
        "dict": {"a": 1},
        "set": {1, 2},
        "object": Basket(),
        "random": random.Random(1),
        "count": itertools.count(),
        "flag": False,
        "nested": {"a": []},
    }
    before = {name: fingerprint(value) for name, value in state.items()}
    same = {name: fingerprint(value) for name, value in state.items() if name != "count"}
    assert same == {name: value for name, value in before.items() if name != "count"}
    change(state)
    assert {name: fingerprint(value) for name, value in state.items()} != before


def test_set_of_asyncio_wait_is_known(tmp_path: Path) -> None:
    file = tmp_path / "waits.py"
    file.write_text(
        "async def f(tasks, xs):\n    done, _ = await asyncio.wait(tasks)\n    rest = xs\n"
    )
    assert is_of_asyncio_wait(str(file), "done")
    assert not is_of_asyncio_wait(str(file), "rest")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import os\nx = os.environ.get('A')", "os.environ.get"),
        ("from os import environ\nx: str = environ['A']", "os.environ"),
        ("import random as r\nx = f'node {r.randrange(9)}'", "random.randrange"),
        (
            "from datetime import datetime\ndef now():\n    return datetime.now()\nx = now()",
            "datetime.datetime.now",
        ),
        ("with_file = 1\nx = open('a').read()", "open"),
        ("from datetime import timedelta\nx = timedelta(1)", None),
        ("import random\nx = random.Random(7)", None),
        ("import os\nclass C:\n    def __init__(self): self.a = os.getpid()\nx = C()", "os.getpid"),
        ("class C(BaseSettings):\n    a: int = 1\nx = C()", "BaseSettings"),
        ("class C:\n    def __init__(self): self.a = 1\nx = C()", None),
        ("import random\nx = lambda: random.random()\ny = random.random()", None),
    ],
)
def test_what_is_made_at_import_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str | None
) -> None:
    file = tmp_path / f"made_{abs(hash(source))}.py"
    file.write_text(source)
    module = ModuleType(file.stem)
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, file.stem, module)
    made = made_at_import(StateName(f"module {file.stem}", "x", file.stem))
    assert (made.name if made is not None else None) == name


def test_hash_of_an_object_without_one_is_known(tmp_path: Path) -> None:
    found = evidence_in(tmp_path, "hash(basket) % 3")
    assert (Kind.IDENTITY, "the hash of `basket`") in [(each.kind, each.name) for each in found]


def stamped(prefix: str, stamp: float = time.time()) -> str:
    return f"{prefix} {stamp}"


def test_default_that_was_made_at_import_is_known() -> None:
    [(parameter, made)] = made_with_functions([stamped.__code__])
    assert (parameter, made.name) == ("stamp", "time.time")


HANDLERS = """
class Shelf:
    def __init__(self):
        self.items = []
    def take(self):
        return self.items.pop()
    def first(self):
        return self.items[0]

class Order:
    @workflow.query
    def status(self):
        %s
    def count(self):
        self.asked += 1
    def told(self):
        return self.asked
"""


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        ("self.asked += 1", {"asked"}),
        ("return self.items.pop()", {"items"}),
        ("del self.items[0]", {"items"}),
        ("self.state.asked = True", {"state"}),
        ("self.count()", {"asked"}),
        ("return self.shelf.take()", {"shelf"}),
        ("random.shuffle(self.items)", {"items"}),
        ("return self.shelf.first()", set()),
        ("return self.told()", set()),
        ("found = []; found.append(self.asked); return found.pop()", set()),
        ("return sorted(self.items)[0].name.upper()", set()),
    ],
)
def test_change_by_a_query_is_known(tmp_path: Path, statement: str, changed: set[str]) -> None:
    file = tmp_path / "handlers.py"
    file.write_text(HANDLERS % statement)
    line = HANDLERS[: HANDLERS.index("%s")].count("\n") + 1
    found = list(unreplayed_changes([Place(str(file), line, "Order.status")]))
    assert {each.attribute for each in found} == changed
    assert unreplayed_handlers([Place(str(file), line, "Order.status")]) == ["Order.status"]
