"""Random programs for the interpreter, and what happens to them from outside."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.lanes.programs.interpreter import Step

CANCEL_ACTIVITY = ("TRY_CANCEL", "WAIT_CANCELLATION_COMPLETED", "ABANDON")
CANCEL_CHILD = (
    "ABANDON",
    "TRY_CANCEL",
    "WAIT_CANCELLATION_COMPLETED",
    "WAIT_CANCELLATION_REQUESTED",
)
#: Without ABANDON: the core fails when such an operation ends after all.
CANCEL_NEXUS = ("TRY_CANCEL", "WAIT_COMPLETED", "WAIT_REQUESTED")
_MAY_FAIL = ("activity", "local", "child", "signal", "cancel", "until", "nexus", "fail")
PATCHES = ("alpha", "beta", "gamma")

#: The instant in units, what a client does, and the step that it sends.
Deed = tuple[int, str, "Step | None"]


class Generator:
    """Draws steps. With `threads` some activities block one, instead of waiting."""

    def __init__(self, random: Random, *, threads: bool = True) -> None:
        self.random = random
        self._activities = ["work", "work", "labour", "toil" if threads else "labour"]
        self._children = 0

    def program(self, depth: int = 4) -> Step:
        return ["seq", *(self.step(depth - 1) for _ in range(self.random.randint(1, 6)))]

    def units(self) -> int:
        return self.random.choice([0, 1, 1, 2, 3, 5, 8, 20, 60])

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def step(self, depth: int) -> Step:
        if depth <= 0 or self.maybe(0.35):
            leaf = self.leaf(depth)
            return ["catch", leaf] if leaf[0] in _MAY_FAIL and self.maybe(0.7) else leaf
        kind = self.random.choice(
            [
                "seq", "gather", "every", "race", "completed", "begin", "shield", "stop", "stop",
                "limit", "catch", "finally", "patched", "patched",
            ]
        )  # fmt: skip
        below = depth - 1
        some = [self.step(below) for _ in range(self.random.randint(1, 3))]
        if kind == "race":
            return ["race", self.maybe(0.5), *some]
        if kind in ("seq", "gather", "every", "completed"):
            return [kind, *some]
        if kind == "stop":
            return ["stop", self.random.choice([None, 0, 0, 1, 2, 5]), some[0]]
        if kind == "limit":
            return ["limit", self.random.choice([1, 2, 5, 10]), some[0]]
        if kind == "finally":
            return ["finally", some[0], self.step(below)]
        if kind == "patched":
            return ["patched", self.random.choice(PATCHES), some[0], self.step(below)]
        return [kind, some[0]]

    def leaf(self, depth: int = 0) -> Step:
        kind = self.random.choice(
            [
                "nothing", "pause", "timer", "timer", "timer", "named_timer", "activity", "activity",
                "activity", "local", "local", "child", "child", "signal", "cancel", "until", "memo",
                "district", "draw", "clock", "look", "deprecate", "again", "fail", "nexus", "join",
            ]
        )  # fmt: skip
        random = self.random
        if kind == "timer":
            return ["timer", self.units()]
        if kind == "named_timer":
            return ["named_timer", self.units(), "a summary"]
        if kind == "activity":
            return ["activity", random.choice(self._activities), self.errand()]
        if kind == "local":
            how = self.errand()
            how["threshold"] = self.random.choice([None, 1, 5, 100])
            return ["local", random.choice(self._activities), how]
        if kind == "child":
            return self.child(depth)
        if kind == "signal":
            return ["signal", self.whom(), self.step(min(depth, 1) - 1)]
        if kind == "cancel":
            return ["cancel", self.whom()] if self.maybe(0.5) else ["pause"]
        if kind == "until":
            return ["until", random.randint(1, 3), self.random.choice([None, 1, 5, 30])]
        if kind == "memo":
            return ["memo", random.choice("ab"), random.randrange(10)]
        if kind == "district":
            return ["district", random.choice(["north", "south"])]
        if kind == "deprecate":
            return ["deprecate", random.choice(PATCHES)]
        if kind == "again":
            return ["again", self.program(2)] if self.maybe(0.3) else ["pause"]
        if kind == "fail":
            return ["fail", "Trouble"] if self.maybe(0.5) else ["pause"]
        if kind == "nexus":
            return self.operation()
        return [kind]

    def whom(self) -> str:
        return self.random.choice(["self", "parent", "c1", "c1", "c2", "nobody"])

    def errand(self) -> dict[str, Any]:
        random = self.random
        closes = random.choice(["start_to_close", "schedule_to_close", "both"])
        return {
            "task": {
                "takes": self.random.choice([0, 0, 1, 2, 3, 7, 15]),
                "fails": random.choice([0, 0, 0, 1, 2, 9]),
                "final": self.maybe(0.2),
                "beat": self.maybe(0.3),
                "when_cancelled": random.choice(["obey", "obey", "fail", "ignore"]),
            },
            "interval": self.random.choice([1, 2, 10]),
            "backoff": random.choice([1.0, 2.0]),
            "attempts": random.choice([1, 2, 3]),
            "start_to_close": self.random.choice([2, 10, 30])
            if closes != "schedule_to_close"
            else None,
            "schedule_to_close": self.random.choice([5, 20, 60])
            if closes != "start_to_close"
            else None,
            "schedule_to_start": self.random.choice([None, None, None, 5]),
            "heartbeat": self.random.choice([None, None, 1, 2]),
            "cancel": random.choice(CANCEL_ACTIVITY),
            **({"id": "by-name"} if self.maybe(0.05) else {}),
            **({"summary": "sum"} if self.maybe(0.1) else {}),
            **({"queue": "nobody"} if self.maybe(0.05) else {}),
        }

    def child(self, depth: int) -> Step:
        random = self.random
        self._children += 1
        return [
            "child",
            random.choice(["c1", "c1", "c2", f"c{2 + self._children}"]),
            {
                "type": random.choice(["Program", "Program", "OtherProgram"]),
                "main": self.program(max(min(depth, 2), 1)),
                "cancel": random.choice(CANCEL_CHILD),
                "parent_close": random.choice(["TERMINATE", "ABANDON", "REQUEST_CANCEL"]),
                "timeout": self.random.choice([None, None, 10]),
                "attempts": random.choice([0, 0, 0, 2]),
                "interval": 2,
                "backoff": 1.0,
                "signal": self.leaf() if self.maybe(0.2) else None,
                "waits": self.maybe(0.8),
            },
        ]

    def operation(self) -> Step:
        random = self.random
        return [
            "nexus",
            random.choice(["stamp", "run"]),
            {
                "main": random.choice(
                    [
                        ["nothing"],
                        ["timer", 3],
                        ["fail", "Trouble"],
                        ["timer", 60],
                        ["catch", ["timer", 40]],
                    ]
                ),
                "schedule_to_close": self.random.choice([2, 20, 100]),
                "cancel": random.choice(CANCEL_NEXUS),
            },
        ]

    def script(self) -> list[Deed]:
        """What clients do."""
        random = self.random
        deeds: list[Deed] = []
        for _ in range(random.randint(0, 4)):
            what = random.choice(["signal", "signal", "update", "update", "query", "cancel"])
            if what == "cancel" and self.maybe(0.5):
                what = "terminate" if self.maybe(0.3) else "signal"
            at = self.random.choice([0, 0, 1, 2, 3, 5, 10, 30])
            step = self.step(1) if what in ("signal", "update") else None
            if what == "update" and self.maybe(0.2):
                step = ["fail", "refused"]
            deeds.append((at, what, step))
        return deeds


def drawn(seed: int, *, threads: bool = True) -> tuple[Step, list[Deed]]:
    """The program of a seed, and what clients do meanwhile."""
    generator = Generator(Random(seed), threads=threads)
    return generator.program(), generator.script()
