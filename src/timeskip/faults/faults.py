"""`sim.faults`: the faults of a simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import TypeVar

from timeskip.errors import FaultNeverActed
from timeskip.faults.accounts import accounts
from timeskip.faults.crash_points import CrashPoint, CrashPoints
from timeskip.faults.durations import duration_text
from timeskip.faults.killers import Killer
from timeskip.faults.line import FaultLine
from timeskip.faults.marks import marks_of
from timeskip.faults.plan_text import check_pattern, parse_plan, plan_text, rule_text
from timeskip.faults.rules import Rule, Where
from timeskip.faults.verdicts import (
    VERDICTS,
    DelayResponse,
    DropStickyQueue,
    DuplicateResponse,
    EvictWorkflow,
    FailActivity,
    FailRpc,
    KillWorker,
    Latency,
    LoseAllWorkers,
    LoseResponse,
    Partition,
    RestartServer,
    StopWorker,
    TerminateWorker,
    TimeOutActivity,
    Verdict,
)
from timeskip.server.errors import StatusCode
from timeskip.timeline import Mark

Result = TypeVar("Result")


class Fault:
    """A fault that a simulation has. As a context manager it ends with its block.

    At the end of the block, unless an exception has ended it, `FaultNeverActed` is raised if the
    fault did not happen and is not optional.
    """

    def __init__(self, faults: Faults, rule: Rule) -> None:
        self._faults = faults
        self._rule = rule

    @property
    def count(self) -> int:
        """How often it has happened."""
        return self._rule.count

    @property
    def acted_at(self) -> list[CrashPoint]:
        """Where it has happened, in order."""
        return list(self._rule.acted_at)

    def __str__(self) -> str:
        return rule_text(self._rule)

    def remove(self) -> None:
        """It does not happen any more."""
        self._faults.remove(self._rule)

    def __enter__(self) -> Fault:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()
        if kind is None:
            self._faults.verify([self._rule])


class Faults:
    """What goes wrong in a simulation, and where.

    Every method adds a fault and returns it. `at` is a pattern (see
    `timeskip.faults.crash_points` for the names of places), or a function of a `CrashPoint`. Of
    several faults that apply at one place the one that was added first happens. `times` is how often
    at most, None for always; `skip` how often not before that. A fault that never happens fails the
    test, unless it is `optional`.
    """

    def __init__(
        self,
        line: FaultLine,
        call: Callable[[Callable[[], None]], None],
        verdicts: Mapping[str, type[Verdict]] = VERDICTS,
    ) -> None:
        self._line = line
        self._call = call
        self._verdicts = verdicts
        self._rules: list[Rule] = []

    # -- workers ------------------------------------------------------------------------------

    def kill_worker(
        self,
        at: Where,
        *,
        restart_after: timedelta | None = timedelta(0),
        times: int | None = 1,
        skip: int = 0,
        optional: bool = False,
    ) -> Fault:
        """The worker that comes by there dies: all that it holds in memory is gone at once.

        The service is not told. It waits for the timeouts of what the worker had, in virtual time.
        A worker of `sim.worker(...)` is replaced after `restart_after`, unless that is None.
        """
        return self.add(KillWorker(restart_after), at, times=times, skip=skip, optional=optional)

    def lose_all_workers(
        self,
        *,
        for_: timedelta,
        at: Where | None = None,
        times: int | None = 1,
        skip: int = 0,
        optional: bool = False,
    ) -> Fault:
        """All workers die, now or at a place, and are replaced after so much virtual time."""
        verdict = LoseAllWorkers(for_)
        if at is not None:
            return self.add(verdict, at, times=times, skip=skip, optional=optional)
        return self._act_now(verdict, lambda: self._line.kill_all(for_))

    def terminate_worker(
        self,
        at: Where,
        *,
        restart_after: timedelta | None = timedelta(0),
        times: int | None = 1,
        skip: int = 0,
        optional: bool = False,
    ) -> Fault:
        """The worker that comes by there is asked to end, as by a deployment: it shuts down gracefully.

        A worker process gets a SIGTERM, any other worker's `shutdown()` is called. What it has done
        by then still arrives; activities that it runs get the time that its
        `graceful_shutdown_timeout` gives them, and are cancelled then. When it has ended it is
        replaced after `restart_after`, unless that is None.
        """
        verdict = TerminateWorker(restart_after)
        return self.add(verdict, at, times=times, skip=skip, optional=optional)

    def stop_worker(
        self,
        at: Where,
        *,
        for_: timedelta,
        times: int | None = 1,
        skip: int = 0,
        optional: bool = False,
    ) -> Fault:
        """The worker that comes by there hangs for so much virtual time, and then goes on.

        A worker process is stopped with a SIGSTOP and goes on with a SIGCONT. For a worker of the
        test's own process, which cannot be stopped without the test, it is a `partition`.
        """
        return self.add(StopWorker(for_), at, times=times, skip=skip, optional=optional)

    def partition(
        self,
        at: Where,
        *,
        for_: timedelta,
        times: int | None = 1,
        skip: int = 0,
        optional: bool = False,
    ) -> Fault:
        """The worker that comes by there and the service do not reach each other for a while."""
        return self.add(Partition(for_), at, times=times, skip=skip, optional=optional)

    def evict_workflow(
        self, at: Where, *, times: int | None = 1, skip: int = 0, optional: bool = False
    ) -> Fault:
        """The worker loses the workflow from its cache, as when there is no more room for it."""
        return self.add(EvictWorkflow(), at, times=times, skip=skip, optional=optional)

    # -- the service --------------------------------------------------------------------------

    def drop_sticky_queue(
        self, at: Where, *, times: int | None = 1, skip: int = 0, optional: bool = False
    ) -> Fault:
        """The service forgets which worker has the workflow cached."""
        return self.add(DropStickyQueue(), at, times=times, skip=skip, optional=optional)

    def restart_server(
        self, at: Where, *, times: int | None = 1, skip: int = 0, optional: bool = False
    ) -> Fault:
        """The service restarts: open calls break, nothing that was acknowledged is lost."""
        return self.add(RestartServer(), at, times=times, skip=skip, optional=optional)

    # -- calls --------------------------------------------------------------------------------

    def lose_response(
        self, at: Where, *, times: int | None = 1, skip: int = 0, optional: bool = False
    ) -> Fault:
        """The connection breaks just then: whoever waits for an answer may try again."""
        return self.add(LoseResponse(), at, times=times, skip=skip, optional=optional)

    def delay_response(
        self,
        at: Where,
        *,
        by: timedelta,
        times: int | None = 1,
        skip: int = 0,
        optional: bool = False,
    ) -> Fault:
        """What comes by there arrives late, perhaps after a timeout."""
        return self.add(DelayResponse(by), at, times=times, skip=skip, optional=optional)

    def duplicate_response(
        self, at: Where, *, times: int | None = 1, skip: int = 0, optional: bool = False
    ) -> Fault:
        """The service gets a request twice, as if its first answer had been lost."""
        return self.add(DuplicateResponse(), at, times=times, skip=skip, optional=optional)

    def fail_rpc(
        self,
        code: StatusCode | str,
        at: Where,
        *,
        message: str = FailRpc.message,
        times: int | None = 1,
        skip: int = 0,
        optional: bool = False,
    ) -> Fault:
        """The caller gets a gRPC error, such as "UNAVAILABLE". SDKs try some of them again."""
        status = StatusCode[code] if isinstance(code, str) else code
        return self.add(FailRpc(status, message), at, times=times, skip=skip, optional=optional)

    # -- activities ---------------------------------------------------------------------------

    def fail_activity(
        self,
        at: Where,
        error: BaseException | str = FailActivity.message,
        *,
        non_retryable: bool = False,
        times: int | None = 1,
        skip: int = 0,
        optional: bool = False,
    ) -> Fault:
        """An attempt of an activity fails: before it starts, or at `before-report` although it ran.

        Of an exception its message and the name of its type are used.
        """
        verdict = (
            FailActivity(error, non_retryable=non_retryable)
            if isinstance(error, str)
            else FailActivity(str(error), type(error).__name__, non_retryable)
        )
        return self.add(verdict, at, times=times, skip=skip, optional=optional)

    def time_out_activity(
        self, at: Where, *, times: int | None = 1, skip: int = 0, optional: bool = False
    ) -> Fault:
        """An attempt of an activity never ends, as far as the service can see."""
        return self.add(TimeOutActivity(), at, times=times, skip=skip, optional=optional)

    def latency(
        self,
        at: Where,
        *,
        by: timedelta,
        times: int | None = None,
        skip: int = 0,
        optional: bool = False,
    ) -> Fault:
        """What comes by there takes so much virtual time, every time unless told otherwise."""
        return self.add(Latency(by), at, times=times, skip=skip, optional=optional)

    # -- plans --------------------------------------------------------------------------------

    def add(
        self,
        verdict: Verdict,
        at: Where,
        *,
        times: int | None = 1,
        skip: int = 0,
        optional: bool = False,
    ) -> Fault:
        """A fault of any kind."""
        if isinstance(at, str):
            check_pattern(at)
        return self._add(Rule(verdict, at, times=times, skip=skip, optional=optional))

    def add_plan(self, text: str, *, optional: bool = False) -> list[Fault]:
        """The faults of a line as `plan` gives it; see `timeskip.faults.plan_text`.

        `optional` makes all of them so.
        """
        rules = parse_plan(text, self._verdicts)
        for rule in rules:
            rule.optional |= optional
        return [self._add(rule) for rule in rules]

    @property
    def crash_points(self) -> CrashPoints:
        """Where a worker could have died, or faults of other kinds could have happened, so far."""
        return self._line.crash_points

    @property
    def plan(self) -> str:
        """The faults in one line, from which a run can be repeated.

        Optional ones that have not happened are left out, and those that have are not optional then.
        """
        return plan_text(
            replace(rule, optional=False) if rule.count else rule
            for rule in self._rules
            if rule.count or not rule.optional
        )

    @property
    def accounts(self) -> list[str]:
        """What faults have done so far, a sentence for each time."""
        return list(accounts(self._rules))

    def marks_of(self, run_id: str) -> list[Mark]:
        """What a run's timeline is to tell besides its history: faults, attempts, replays."""
        return marks_of(run_id, self._rules, self._line.crash_points, self._line.replays)

    def verify(self, rules: Iterable[Rule] | None = None) -> None:
        """Raise `FaultNeverActed` if one of the faults that there are did not happen."""
        for rule in list(self._line.rules if rules is None else rules):
            if not (rule.count or rule.optional):
                raise FaultNeverActed(_never_acted(rule, self._line.crash_points))

    def add_killer(self, killer: Killer) -> None:
        """Let faults have power over further workers."""
        self._call(lambda: self._line.add_killer(killer))

    def worker_died(self, identity: str) -> None:
        """A worker has died by itself, and is replaced at once. Where the simulation's clock runs."""
        self._line.kill(identity, timedelta(0))

    def remove(self, rule: Rule) -> None:
        """Have a rule apply no more. That of a `Fault` is removed by the fault itself."""

        def remove() -> None:
            if rule in self._line.rules:
                self._line.rules.remove(rule)

        self._call(remove)

    def _add(self, rule: Rule) -> Fault:
        self._rules.append(rule)
        self._call(lambda: self._line.add(rule))
        return Fault(self, rule)

    def _act_now(self, verdict: Verdict, act: Callable[[], None]) -> Fault:
        moment = self._line.elapsed()
        name = f"time:{duration_text(moment)}"
        rule = Rule(verdict, name)
        rule.acted_at.append(CrashPoint(name, name, "time", ""))
        self._rules.append(rule)
        self._call(act)
        return Fault(self, rule)


def _never_acted(rule: Rule, points: CrashPoints) -> str:
    told = f"a fault never happened: {rule_text(rule)}"
    if rule.matched:
        times = "once" if rule.matched == 1 else f"{rule.matched} times"
        return f"{told}\nSomething came by there {times}, but skip={rule.skip} let it pass."
    if not isinstance(rule.at, str):
        return f"{told}\nIts predicate was true of none of the {len(points)} crash points."
    nearest = points.nearest(rule.at)
    if not nearest:
        return f"{told}\nNothing came by at {rule.at}."
    return f"{told}\nNothing came by at {rule.at}. Nearest to that are:\n  " + "\n  ".join(nearest)
