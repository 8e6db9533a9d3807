"""Hypothesis tests that use `sim`: each example has a simulation and fixtures of its own.

Pytest sets fixtures up once for a test, and Hypothesis calls the test a hundred times. So what
pytest collects of such a test is replaced by a `FuzzedTest`, which has no fixtures itself. It runs
Hypothesis, and each example as a test within the test: with the hooks of pytest, by whatever plugin
runs the test's coroutine, with function-scoped fixtures of its own. Only the whole is reported.

Of a test with `timeskip.fuzzing.fault_plans` the first example of all is one without faults, before
Hypothesis begins: it tells where faults can happen, and how workflows end. If such a test has other
arguments as well, these decide what happens. Then each of its examples has such a predecessor.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from types import MethodType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import timeskip
from pytest_timeskip.fuzzed_tests import EXAMPLE
from timeskip.fuzzing import (
    Endings,
    FaultPlan,
    InvariantBroken,
    PlanLimits,
    Surroundings,
    explore,
    limits_of,
    require_invariants,
)

#: Whether tests are nested. Older versions of Hypothesis do not look.
_NESTED: HealthCheck | None = getattr(HealthCheck, "nested_given", None)

#: That of Hypothesis. It is about real time, which says nothing of what happens in virtual time.
_USUAL_DEADLINE = timedelta(milliseconds=200)

#: Where Hypothesis keeps what `@settings`, `@seed`, `@example` and `@reproduce_failure` have said.
_DECORATIONS = ("_hypothesis_internal_use_", "hypothesis_explicit_examples")


class Example:
    """One call of the test.

    Attributes:
        plan: The faults of its simulation.
        baseline: What comes without these; None if this is the one to tell.
        limits: What the plan is about; None if the test has no plans.
        replayed: The histories that were replayed, in whichever example, by their shapes.
    """

    def __init__(
        self,
        plan: FaultPlan,
        baseline: Surroundings | None,
        limits: PlanLimits | None,
        replayed: set[tuple[object, ...]],
        *,
        is_given: bool = False,
    ) -> None:
        self.plan = plan
        self.baseline = baseline
        self._limits = limits
        self._replayed = replayed
        self._is_given = is_given
        self._surroundings: Callable[[], Surroundings] | None = None

    def begin(self, simulation: timeskip.Simulation) -> bool:
        """Have the faults happen. Whether those of `--timeskip-faults` may happen as well."""
        if self._limits is None:
            return True
        if self.baseline is None:
            self._surroundings = explore(simulation)
        else:
            simulation.faults.add_plan(self.plan.line, optional=not self._is_given)
        return False

    def check(self, simulation: timeskip.Simulation, replay: Callable[[], None] | None) -> None:
        """Fail if the workflows are not what they are without faults, or cannot be replayed."""
        __tracebackhide__ = True
        endings = Endings(simulation.runs)
        if self._surroundings is not None:
            self.baseline = self._surroundings()
        elif self.baseline is not None and self._limits is not None:
            try:
                require_invariants(
                    self.baseline.endings,
                    endings,
                    same_results=self._limits.same_results,
                    same_histories=self._limits.same_histories,
                )
            except InvariantBroken as error:
                raise pytest.fail.Exception(str(error), pytrace=False) from None
        shapes = {ending.shape for ending in endings.values()}
        if replay is not None and not shapes <= self._replayed:
            replay()
            self._replayed |= shapes


class FuzzedTest(pytest.Function):
    """What pytest runs and reports."""

    _original: pytest.Function
    _limits: Mapping[str, PlanLimits]
    _replayed: set[tuple[object, ...]]
    _given_plan: str
    _baseline: Surroundings | None = None

    @classmethod
    def in_place_of(cls, original: pytest.Function) -> FuzzedTest:
        """One that runs as others have collected it."""
        decorated: Any = original.obj
        strategies = decorated.hypothesis._given_kwargs
        test: FuzzedTest = cls.from_parent(
            original.parent,
            name=original.name,
            originalname=original.originalname,
            callobj=_undecorated,
            fixtureinfo=original._fixtureinfo,
            callspec=getattr(original, "callspec", None),
            keywords=original.keywords,
        )
        test.own_markers[:] = original.own_markers
        test._original = original
        test._limits = {
            name: limits
            for name, strategy in strategies.items()
            if (limits := limits_of(strategy)) is not None
        }
        test._replayed = set()
        test._given_plan = original.config.getoption("--timeskip-faults") or ""
        test.obj = test._decorated(strategies)
        return test

    def setup(self) -> None:
        """Each example has its own fixtures."""

    def runtest(self) -> None:
        """Call the test with one example after the other."""
        # Nobody else runs it: it is no coroutine, whatever its markers say.
        if self._is_about_plans_alone():
            self._baseline = self._explore({})
        self.obj()

    def _is_about_plans_alone(self) -> bool:
        return bool(self._limits) and len(self._limits) == len(self._strategies)

    def _decorated(self, strategies: Mapping[str, st.SearchStrategy[Any]]) -> Callable[[], None]:
        """The test for Hypothesis: without its fixtures, and with plans as this test needs them."""
        self._strategies = strategies
        original: Any = self._original.obj
        inner = original.hypothesis.inner_test

        @functools.wraps(inner)
        def call(**arguments: Any) -> None:
            __tracebackhide__ = True
            self._call(arguments)

        parameters = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in strategies
        ]
        vars(call)["__signature__"] = inspect.Signature(parameters)
        decorated: Any = given(
            **{name: self._strategy(name, strategy) for name, strategy in strategies.items()}
        )(call)
        function = getattr(original, "__func__", original)
        for name, value in vars(function).items():
            if name.startswith(_DECORATIONS):
                setattr(decorated, name, value)
        # Whose lines a traceback begins with. The arguments are told apart from those of that.
        decorated.__wrapped__ = inner
        decorated.__signature__ = inspect.Signature()
        decorated._hypothesis_internal_use_settings = _for_simulations(
            decorated._hypothesis_internal_use_settings
        )
        test: Callable[[], None] = decorated
        return test

    def _strategy(self, name: str, strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        limits = self._limits.get(name)
        if limits is None:
            return strategy
        if self._given_plan:
            return st.just(FaultPlan(self._given_plan))
        if not self._is_about_plans_alone():
            return st.data()
        return st.deferred(lambda: limits.plans(self._known_baseline()))

    def _known_baseline(self) -> Surroundings:
        assert self._baseline is not None
        return self._baseline

    def _call(self, arguments: dict[str, Any]) -> None:
        """One example, and before it, if need be, the same without faults."""
        __tracebackhide__ = True
        if not self._limits:
            self._run(arguments, Example(FaultPlan(), None, None, self._replayed))
            return
        baseline = self._baseline or self._explore(arguments)
        for name, limits in self._limits.items():
            if not isinstance(arguments[name], FaultPlan):
                # Not before now it is known where faults can happen.
                arguments[name] = arguments[name].draw(limits.plans(baseline), label=name)
        plans = [arguments[name] for name in self._limits]
        plan = FaultPlan("; ".join(plan.line for plan in plans if plan))
        [limits, *_] = self._limits.values()
        example = Example(
            plan, baseline, limits, self._replayed, is_given=plan.line == self._given_plan
        )
        self._run(arguments, example)

    def _explore(self, arguments: Mapping[str, Any]) -> Surroundings:
        [limits, *_] = self._limits.values()
        example = Example(FaultPlan(), None, limits, self._replayed)
        self._run({**arguments, **dict.fromkeys(self._limits, FaultPlan())}, example)
        assert example.baseline is not None
        return example.baseline

    def _run(self, arguments: Mapping[str, Any], example: Example) -> None:
        """A test within the test, up to its end; raises what it fails with."""
        __tracebackhide__ = True
        item = self._within(arguments)
        item.stash[EXAMPLE] = example
        calls = [_phase(item, "setup")]
        if calls[0].excinfo is None:
            calls.append(_phase(item, "call"))
        # What is set up for several tests stays so for the next example.
        calls.append(_phase(item, "teardown", nextitem=self))
        capture = self.config.pluginmanager.getplugin("capturemanager")
        if capture is not None:
            # It ends with each phase of a test, and goes on with the next.
            capture.resume_global_capture()
        for call in calls:
            if call.excinfo is not None:
                self._tell(item)
                raise call.excinfo.value

    def _within(self, arguments: Mapping[str, Any]) -> pytest.Function:
        """The test of one example. For whoever runs coroutines it is like a test of Hypothesis."""
        original = self._original
        inner = original.obj.hypothesis.inner_test
        instance: tuple[object, ...] = ()
        parent: Any = original.parent
        if isinstance(parent, pytest.Class):
            instance = (parent.obj(),)

        if inspect.iscoroutinefunction(inner):

            @functools.wraps(inner)
            async def play(**fixtures: Any) -> None:
                await inner(*instance, **fixtures, **arguments)

        else:

            @functools.wraps(inner)
            def play(**fixtures: Any) -> None:
                inner(*instance, **fixtures, **arguments)

        # Without the marks of `@settings` and the like, which this one has no use for.
        @functools.wraps(inner, updated=())
        def test(*_: object, **fixtures: Any) -> Any:
            return handle.inner_test(**fixtures)

        handle: Any = SimpleNamespace(inner_test=play)
        vars(test)["hypothesis"] = handle
        item: pytest.Function = type(original).from_parent(
            original.parent,
            name=original.name,
            originalname=original.originalname,
            callobj=MethodType(test, instance[0]) if instance else test,
            fixtureinfo=original._fixtureinfo,
            callspec=getattr(original, "callspec", None),
            keywords=original.keywords,
        )
        item.own_markers[:] = original.own_markers
        # It has the name of the whole, is set up within it, and torn down before it.
        setattr(item, "parent", self)  # noqa: B010 - its type is that of a collector
        return item

    def _tell(self, item: pytest.Function) -> None:
        """Let the report of the whole test have what belongs to its last failing example."""
        self._report_sections[:] = item._report_sections
        self.stash._storage.update(item.stash._storage)


def _phase(item: pytest.Function, when: Any, **others: Any) -> pytest.CallInfo[Any]:
    hook = getattr(item.ihook, f"pytest_runtest_{when}")
    call = pytest.CallInfo.from_call(
        partial(hook, item=item, **others),
        when=when,
        reraise=(pytest.exit.Exception, KeyboardInterrupt),
    )
    # Others keep what came of a phase, such as that a folder may be removed.
    item.ihook.pytest_runtest_makereport(item=item, call=call)
    return call


def _for_simulations(chosen: settings) -> settings:
    """Settings of a test, with another default where that of Hypothesis makes no sense."""
    if chosen.deadline == _USUAL_DEADLINE:
        chosen = settings(chosen, deadline=None)
    if set(chosen.phases) == set(Phase):
        # An explanation by lines would name lines of the simulation, and takes long to find.
        chosen = settings(chosen, phases=[each for each in Phase if each is not Phase.explain])
    if _NESTED is not None and _NESTED not in chosen.suppress_health_check:
        # The SDK's sandbox imports the module of a workflow, with the tests in it, while one is run.
        chosen = settings(chosen, suppress_health_check=[*chosen.suppress_health_check, _NESTED])
    return chosen


def _undecorated() -> None:
    """Stands for the test until it is made."""
