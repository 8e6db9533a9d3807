from datetime import timedelta

from timeskip.timeline import Line, Moment
from timeskip.timeline.cycles import Rounds, fold_cycles


def moments(subjects: str) -> list[Moment]:
    """One moment for each letter, a second apart."""
    return [
        Moment(timedelta(seconds=second), Line("timer", subject, detail=str(second)))
        for second, subject in enumerate(subjects)
    ]


def folded(subjects: str) -> str:
    """The letters that remain, with the number of rounds left out in brackets."""
    return "".join(
        f"[{item.count}]" if isinstance(item, Rounds) else item.line.subject
        for item in fold_cycles(moments(subjects))
    )


def test_loop_is_told_by_its_first_and_last_round() -> None:
    assert folded("ababababab") == "ab[3]ab"


def test_what_surrounds_a_loop_stays() -> None:
    assert folded("sababababxe") == "sab[2]abxe"


def test_short_loop_stays() -> None:
    assert folded("ababab") == "ababab"


def test_same_step_again_and_again_is_a_loop() -> None:
    assert folded("aaaaaa") == "a[4]a"


def test_each_loop_is_folded_by_itself() -> None:
    assert folded("aaaabcbcbcbc") == "a[2]abc[2]bc"


def test_last_round_is_told_with_its_own_time() -> None:
    last = list(fold_cycles(moments("aaaaaa")))[-1]

    assert isinstance(last, Moment)
    assert last.at == timedelta(seconds=5)


def test_round_that_failed_before_is_not_folded() -> None:
    steps = moments("aaaaaaaaa")
    steps[4] = Moment(steps[4].at, steps[4].line, earlier_failure="attempt 1 failed")

    remaining = list(fold_cycles(steps))

    assert steps[4] in remaining
    assert len(remaining) == 7
