"""The server has no entropy of its own: same requests, same seed, same answers.

Not seen here: entropy that comes in through another module, and the order of sets, which
`test_set_order` is about.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.source_files import (
    Finding,
    SourceFile,
    broken_by,
    python_files,
    require_none,
    sample,
)

BANNED = re.compile(
    r"""
      uuid\.(uuid\d|getnode)
    | random\.(?!Random$)\w+           # the module's functions share one unseeded generator
    | secrets\.\w+
    | os\.(urandom|getrandom|getpid|times)
    | time\.\w+
    | datetime\.(datetime|date)\.(now|utcnow|today)
    """,
    re.VERBOSE,
)


def imported_names(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: `{"dt": "datetime.datetime"}`."""
    meanings: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                meanings[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                meanings[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return meanings


def dotted_name(node: ast.expr, meanings: dict[str, str]) -> str | None:
    """The full name of `a.b.c` if `a` was imported, else None."""
    if isinstance(node, ast.Name):
        return meanings.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = dotted_name(node.value, meanings)
        return f"{owner}.{node.attr}" if owner else None
    return None


def entropy(source: SourceFile) -> Iterator[Finding]:
    """References to the machine's time or randomness, calls of the builtin `hash`, star imports."""
    if not source.is_in("timeskip.server"):
        return
    meanings = imported_names(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield source.finding(node, "a star import hides what it brings in")
        elif isinstance(node, ast.Name | ast.Attribute):
            name = dotted_name(node, meanings)
            if name and BANNED.fullmatch(name):
                yield source.finding(node, f"{name} is not determined by the seed")
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == "hash":
                yield source.finding(node, "hash() of a string differs between processes")
            unseeded = not node.args and not node.keywords
            if unseeded and dotted_name(node.func, meanings) == "random.Random":
                yield source.finding(node, "random.Random() needs a seed")


@pytest.mark.parametrize(
    "text",
    [
        "import uuid\nrun_id = uuid.uuid4()",
        "from uuid import uuid4\nrun_id = uuid4()",
        "from uuid import uuid4 as fresh\nmake_id = fresh",
        "import random\nrandom.shuffle(pollers)",
        "import random as r\nr.random()",
        "from random import choice\nchoice(pollers)",
        "import random\nrandom.SystemRandom()",
        "import random\nrandom.Random()",
        "from random import Random\nRandom()",
        "import time\ntime.time_ns()",
        "from time import monotonic\nmonotonic()",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime\ndatetime.now(tz)",
        "from datetime import datetime as dt\nclock = dt.utcnow",
        "from datetime import date\ndate.today()",
        "import os\nos.urandom(8)",
        "import secrets\nsecrets.token_hex()",
        "shard = hash(workflow_id)",
        "from random import *",
    ],
)
def test_entropy_in_the_server_is_caught(text: str) -> None:
    assert len(broken_by(entropy, sample("src/timeskip/server/run.py", text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "import uuid\nrun_id = uuid.UUID(int=generator.getrandbits(128), version=4)",
        "from random import Random\ngenerator: Random = Random(seed)",
        "import random\ngenerator = random.Random(7)",
        "from datetime import datetime, timezone\ndatetime.fromtimestamp(0, timezone.utc)",
        "clock.now()",
        "time = clock.time_ns()",
        "class Timer:\n    def __hash__(self) -> int: ...",
        "hashlib.sha256(b'').digest()",
    ],
)
def test_seeded_code_in_the_server_is_allowed(text: str) -> None:
    assert broken_by(entropy, sample("src/timeskip/server/run.py", text)) == []


def test_entropy_outside_the_server_is_not_this_rules_business() -> None:
    lane = sample("src/timeskip/lanes/wire/service.py", "import time\ntime.monotonic()")
    assert broken_by(entropy, lane) == []


def test_server_has_no_entropy() -> None:
    server = python_files("timeskip.server")
    assert len(server) > 1
    require_none(broken_by(entropy, *server))
