"""The engine stands whatever comes: random requests, legal and illegal, and random time.

`engine_episode` makes the moves, `engine_invariants` says what is looked at after each; after the
last, everything is ended and the whole episode is played once more, to the same answers. An episode
that fails is cut down to the moves that it takes before it is reported.
"""

from __future__ import annotations

import traceback
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

import pytest

from tests.server import (  # noqa: F401 - they add their moves to the episodes
    engine_operations,
    engine_pauses,
)
from tests.server.engine_episode import Episode
from timeskip.server import workflow_tasks
from timeskip.server.activities import Activity
from timeskip.server.calls import Call
from timeskip.server.commands import _Pending
from timeskip.server.identifiers import Identifiers
from timeskip.server.limits import Limits
from timeskip.server.workflow_tasks import WorkflowTask


def moves_of(number: int, length: int) -> list[int]:
    """The moves of the episode with this number."""
    random = Random(number)
    return [random.getrandbits(64) for _ in range(length)]


def play(
    moves: Sequence[int],
    limits: Limits = Limits(),  # noqa: B008 - immutable
) -> tuple[Episode, Exception | None]:
    """Play an episode to its end, or to what breaks it."""
    episode = Episode(limits)
    try:
        for move in moves:
            episode.step(move)
        episode.end()
    except Exception as error:  # noqa: BLE001 - whatever it is, the engine should not have raised it
        return episode, error
    return episode, None


def fails(moves: Sequence[int], limits: Limits = Limits()) -> bool:  # noqa: B008 - immutable
    return play(moves, limits)[1] is not None


def cut_down(moves: Sequence[int], fails: Callable[[Sequence[int]], bool]) -> list[int]:
    """Fewer moves that fail as well: leave out larger parts first, then single moves."""
    left = list(moves)
    size = len(left) // 2
    while size:
        start = 0
        while start < len(left):
            fewer = left[:start] + left[start + size :]
            if fails(fewer):
                left = fewer
            else:
                start += size
        size //= 2
    return left


def report(number: int, moves: Sequence[int], limits: Limits) -> str:
    """What was done to the engine, and what came of it."""
    episode, error = play(moves, limits)
    done = "\n".join(str(step) for step in episode.driver.script)
    return f"episode {number}, cut down:\n{done}\n" + "".join(traceback.format_exception(error))


def play_episodes(
    numbers: range,
    length: int,
    limits: Limits = Limits(),  # noqa: B008 - immutable
) -> None:
    for number in numbers:
        moves = moves_of(number, length)
        if fails(moves, limits):
            fewer = cut_down(moves, partial(fails, limits=limits))
            pytest.fail(report(number, fewer, limits), pytrace=False)


def test_engine_stands_random_episodes() -> None:
    play_episodes(range(150), length=60)


def test_engine_stands_random_episodes_at_its_limits() -> None:
    limits = Limits(
        history_events=25,
        history_bytes=20_000,
        pending_activities=2,
        pending_children=2,
        pending_signals=1,
        pending_cancel_requests=1,
        signals=6,
        updates=3,
        buffered_events=3,
    )
    play_episodes(range(20_000, 20_040), length=60, limits=limits)


@pytest.mark.slow
def test_engine_stands_many_long_episodes() -> None:
    play_episodes(range(10_000, 10_800), length=120)


def forget_nothing(activity: Activity) -> None:
    """An activity whose timeouts go on when it is over."""


def keep_waiting(call: Call) -> None:
    """A call that is answered although nobody waits for it any more."""


def see_no_news(run: object) -> None:
    """News that no workflow task is made for."""


def dispatch_nothing(task: WorkflowTask, poll: Call) -> bool:
    """A task that is lost on the way to the worker."""
    return False


def accept_everything(pending: _Pending, command: object, event_id: int) -> None:
    """Commands that are carried out although they cannot be."""


def draw_lots(ids: Identifiers) -> str:
    """Ids that the seed does not determine."""
    return str(uuid.uuid4())


@pytest.mark.parametrize(
    ("place", "name", "bug"),
    [
        (Activity, "forget", forget_nothing),
        (Call, "cancel", keep_waiting),
        (workflow_tasks, "schedule_if_needed", see_no_news),
        (WorkflowTask, "dispatch", dispatch_nothing),
        (_Pending, "add", accept_everything),
        (Identifiers, "uuid", draw_lots),
    ],
)
def test_episodes_find_a_bug(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str, bug: object
) -> None:
    monkeypatch.setattr(place, name, bug)
    assert any(fails(moves_of(number, 60)) for number in range(30))


def test_cutting_down_keeps_what_matters() -> None:
    def is_failure(moves: Sequence[int]) -> bool:
        return {3, 7} <= set(moves)

    assert cut_down(range(10), is_failure) == [3, 7]
