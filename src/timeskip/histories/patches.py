"""Which branch of `workflow.patched` new runs take: as if the patch were there, or not yet."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from temporalio.worker import PatchActivationInput

from timeskip.errors import PatchNeverMet

#: What a worker may be given to decide on patches that a run meets for the first time.
PatchActivation = Callable[[PatchActivationInput], bool]


class PatchChoices:
    """What a test has decided, before its workers' own `patch_activation_callback`.

    Replays are not asked: a run keeps to what its history says. A run that was started with a patch
    absent has the history of a run from before the patch.
    """

    def __init__(self) -> None:
        self._chosen: dict[str, bool] = {}
        #: Patches that runs have met within the innermost block.
        self._met: set[str] = set()

    @contextmanager
    def chosen(self, absent: Iterable[str], present: Iterable[str]) -> Iterator[None]:
        """Within the block, `workflow.patched` is False for some patches, and True for others.

        One patch may be given as a string. Warns by `PatchNeverMet` of those that nothing has asked
        for when the block ends.

        Raises `ValueError` for a patch that is to be both.
        """
        absent, present = _names(absent), _names(present)
        both = sorted(set(absent) & set(present))
        if both:
            raise ValueError(f"a patch is either absent or present: {', '.join(both)}")
        before = self._chosen
        met_before, self._met = self._met, set()
        self._chosen = {**before, **dict.fromkeys(absent, False), **dict.fromkeys(present, True)}
        try:
            yield
            never = [name for name in (*absent, *present) if name not in self._met]
            if never:
                warnings.warn(_never_met(never, sorted(self._met)), PatchNeverMet, stacklevel=3)
        finally:
            self._chosen = before
            self._met |= met_before

    def activation(self, of_worker: PatchActivation | None) -> PatchActivation:
        """The callback for a worker that has one of its own, or none."""

        def decide(input: PatchActivationInput) -> bool:
            self._met.add(input.patch_id)
            chosen = self._chosen.get(input.patch_id)
            if chosen is not None:
                return chosen
            return True if of_worker is None else of_worker(input)

        return decide


def _names(patches: Iterable[str]) -> tuple[str, ...]:
    return (patches,) if isinstance(patches, str) else tuple(patches)


def _never_met(never: Sequence[str], met: Sequence[str]) -> str:
    others = f"they met {', '.join(map(repr, met))}" if met else "they met none"
    return (
        f"within the block no run met the patch {', '.join(map(repr, never))} for the first time:"
        f" {others}. It is named as in workflow.patched(...), and runs in worker processes do not ask"
    )
