"""Every error that a test can meet because of timeskip itself.

They say what happened in the workflow, never in the simulator's own words, and end with the way
out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from timeskip.histories.nondeterminism.explanation import Explanation


class TimeskipError(Exception):
    """Base of all errors that timeskip raises."""


class DirectLaneUnavailable(UserWarning):
    """The installed SDK is not as the direct lane knows it, so the wire lane is used instead."""


class ReplayWarning(UserWarning):
    """What is to be said of a run that passes its test: the SDK's core refuses it for a bug of its own, or
    it could not be replayed."""


class PatchNeverMet(UserWarning):
    """No run asked for a patch that a test has made absent or present: it is misspelt, perhaps."""


class WorkflowTaskFailed(TimeskipError):  # noqa: N818 - named as the event of the history is
    """A workflow task failed, and the test did not say that it expects this.

    On a real server the task would be tried again and again while the workflow stands still. Raised
    at once from whatever the test is waiting for. `cause` is the name of the failure cause, such as
    "WORKFLOW_WORKER_UNHANDLED_FAILURE" or "NON_DETERMINISTIC_ERROR".
    """

    def __init__(self, message: str, *, workflow_id: str, run_id: str, cause: str) -> None:
        super().__init__(message)
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.cause = cause


class ActivityNotRegistered(TimeskipError):  # noqa: N818 - says what is the matter
    """A workflow called an activity of a type that the worker of its task queue does not know."""


class WorkerRefused(TimeskipError):  # noqa: N818 - says what is the matter
    """A worker asks for what timeskip does not simulate yet, so it gets no tasks."""


class TooManyAttempts(TimeskipError):  # noqa: N818 - says what is the matter
    """An activity or a workflow task failed so often that it seems to be retried for ever."""


class SimulationStuck(TimeskipError):  # noqa: N818 - says what is the matter
    """Something waits for what can no longer happen. The message says who waits for what."""


class SimulationStalled(TimeskipError):  # noqa: N818 - says what is the matter
    """For a long real time nothing has come of what goes on. The message says what that is."""


class SimulationClosed(TimeskipError):  # noqa: N818 - says what is the matter
    """The simulation was used after it had ended."""


class HistoryUnreadable(TimeskipError):  # noqa: N818 - says what is the matter
    """What should be a history is not one, or is broken. The message names the file and the place."""


class HistoryNotDecoded(TimeskipError):  # noqa: N818 - says what is the matter
    """The data converter could not decode a payload of a history. The message names the event."""


class GoldenHistoryMissing(TimeskipError):  # noqa: N818 - says what is the matter
    """There is no file with the recorded history. The message names the command that writes it."""


class GoldenHistoryNotWritten(TimeskipError):  # noqa: N818 - says what is the matter
    """The file of a golden history cannot be written. The message names it and says why."""


class WorkflowsNotFound(TimeskipError):  # noqa: N818 - says what is the matter
    """What was named as workflows, or as their data converter, is none. The message says why."""


class NotInHistory(TimeskipError, AssertionError):  # noqa: N818 - says what is the matter
    """A history has not what a test expects in it. The message tells what comes nearest."""


class FaultPlanError(TimeskipError, ValueError):
    """A fault, or a line that is to describe faults, is not one. The message says what is wrong."""


class FaultNeverActed(TimeskipError):  # noqa: N818 - says what is the matter
    """A fault that the test asked for did not happen. The message names it, and what is like it."""


class LedgerMissing(TimeskipError):  # noqa: N818 - says what is the matter
    """There is no ledger of the test that runs. The message says how to come by one."""


class FaultImpossible(TimeskipError):  # noqa: N818 - says what is the matter
    """A fault was to act where it cannot."""


class WorkerProcessDied(TimeskipError):  # noqa: N818 - says what is the matter
    """The process of a worker has ended by itself, or does not start. The message has its last words."""


class ReplayFailed(TimeskipError):  # noqa: N818 - says what is the matter
    """A workflow fails when its history is replayed, or does something else than the history says."""

    def __init__(self, message: str, *, workflow_id: str = "") -> None:
        super().__init__(message)
        self.workflow_id = workflow_id


class WorkflowNotDeterministic(ReplayFailed):
    """In a replay a workflow does something else than its history says.

    `explanation`, a `timeskip.histories.Explanation`, has the parts of the message.
    """

    def __init__(
        self, message: str, *, workflow_id: str = "", explanation: Explanation | None = None
    ) -> None:
        super().__init__(message, workflow_id=workflow_id)
        self.explanation = explanation
