"""Which branch of `workflow.patched` new runs take: as if the patch were there, or not yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from temporalio.worker import PatchActivationInput

#: What a worker may be given to decide on patches that a run meets for the first time.
PatchActivation = Callable[[PatchActivationInput], bool]


class PatchChoices:
    """What a test has decided, before its workers' own `patch_activation_callback`.

    Replays are not asked: a run keeps to what its history says. A run that was started with a patch
    absent has the history of a run from before the patch.
    """

    def __init__(self) -> None:
        self._chosen: dict[str, bool] = {}

    @contextmanager
    def chosen(self, absent: Iterable[str], present: Iterable[str]) -> Iterator[None]:
        """Within the block, `workflow.patched` is False for some patches, and True for others.

        Raises `ValueError` for a patch that is to be both.
        """
        absent, present = tuple(absent), tuple(present)
        both = sorted(set(absent) & set(present))
        if both:
            raise ValueError(f"a patch is either absent or present: {', '.join(both)}")
        before = self._chosen
        self._chosen = {**before, **dict.fromkeys(absent, False), **dict.fromkeys(present, True)}
        try:
            yield
        finally:
            self._chosen = before

    def activation(self, of_worker: PatchActivation | None) -> PatchActivation:
        """The callback for a worker that has one of its own, or none."""

        def decide(input: PatchActivationInput) -> bool:
            chosen = self._chosen.get(input.patch_id)
            if chosen is not None:
                return chosen
            return True if of_worker is None else of_worker(input)

        return decide
