"""What must hold of a test's workflows, wherever a worker died, without anybody having written it.

- Each run ends as it ended without the crash, with the same result or the same failure; one that was
  left open is open, and there are no others.
- No workflow task has failed.
- Where histories are compared: they are the same, but for other tries of workflow tasks and
  activities. They are compared where the crash takes no time, since what happens later can happen in
  another order, and everywhere if a sweep asks for it.

That every history replays, and that nothing is stuck, is seen by the simulation itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from timeskip.errors import TimeskipError
from timeskip.fuzzing.endings import Ending, Endings
from timeskip.histories.comparison import first_difference


class InvariantBroken(TimeskipError, AssertionError):  # noqa: N818 - says what is the matter
    """After a crash, a test's workflows are not as they are without it. The message says in what."""


def require_invariants(
    baseline: Endings,
    actual: Endings,
    *,
    same_results: bool = True,
    same_histories: bool = False,
) -> None:
    """Raise `InvariantBroken` unless what is left after a crash is as it is without.

    Args:
        baseline: What was left without the crash.
        actual: What was left with it.
        same_results: Whether the results and failures of closed runs have to be the same, too, and
            not only the states.
        same_histories: Whether the histories have to be.
    """
    broken = [
        *_other_runs(baseline, actual),
        *(
            told
            for name, ending in actual.items()
            if name in baseline
            for told in _broken(baseline[name], ending, same_results, same_histories)
        ),
    ]
    if broken:
        raise InvariantBroken("\n\n".join(broken))


def _other_runs(baseline: Endings, actual: Endings) -> Iterator[str]:
    for name, ending in baseline.items():
        if name not in actual:
            yield f"Workflow {name!r} ({ending.workflow_type}) was not started: it is without the crash."
    for name, ending in actual.items():
        if name not in baseline:
            yield f"Workflow {name!r} ({ending.workflow_type}) was started: it is not without the crash."


def _broken(
    expected: Ending, actual: Ending, same_results: bool, same_histories: bool
) -> Iterator[str]:
    failures = actual.task_failures - expected.task_failures
    if failures:
        causes = ", ".join(cause.removeprefix("WORKFLOW_TASK_FAILED_CAUSE_") for cause in failures)
        yield f"A workflow task of {actual.name!r} failed: {causes}."
    if expected.status != actual.status:
        yield (
            f"Workflow {actual.name!r} is {actual.status.name}: without the crash it is "
            f"{expected.status.name}."
        )
        return
    difference = first_difference(expected.close, actual.close) if same_results else None
    if difference is not None:
        yield f"Workflow {actual.name!r} ended otherwise than without the crash.\n{difference}"
    # What is equal as it stands, and of one seed most are, need not be brought into a normal form.
    if same_histories and expected.history != actual.history:
        difference = first_difference(expected.without_noise, actual.without_noise)
        if difference is not None:
            yield f"The history of {actual.name!r} is not that without the crash.\n{difference}"
