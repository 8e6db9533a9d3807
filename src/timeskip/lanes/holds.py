"""Reasons for time to stand still that the service cannot see by itself.

A client call between its sending and the moment at which the caller has acted upon its answer, a
callback that runs at a virtual instant, work that an activity really does: each takes a hold, and
time does not move while there is one. A call that waits for time parks its hold meanwhile.
"""

from __future__ import annotations

import contextvars
import threading
import weakref
from collections.abc import Callable
from typing import ClassVar, Protocol


class Waiter(Protocol):
    """Whoever waits for what a hold is about, and holds time by itself."""

    def park(self) -> None: ...

    def resume(self) -> None: ...


class Hold:
    """One reason. Parked or released twice is the same as once."""

    __slots__ = (
        "_active",
        "_holds",
        "_released",
        "call_off",
        "id",
        "is_firm",
        "owner",
        "parent",
        "reason",
        "waiter",
    )

    def __init__(
        self,
        holds: Holds,
        id: int,
        reason: str,
        parent: Hold | None,
        owner: object,
        is_firm: bool,
    ) -> None:
        self.id = id
        self.reason = reason
        self.parent = parent
        #: Whose code waits; if that is killed, nobody releases the hold.
        self.owner = owner
        #: Ends what is being waited for.
        self.call_off: Callable[[], None] | None = None
        #: Told of the same, if anybody.
        self.waiter: Waiter | None = None
        #: Whether time stands still even if an event loop is blocked until it moves.
        self.is_firm = is_firm
        self._holds = holds
        self._active = True
        self._released = False

    @property
    def is_active(self) -> bool:
        """Whether time stands still because of it."""
        return self._active and not self._released

    def park(self) -> None:
        """Let time move although the reason persists: it is time that is being waited for."""
        with self._holds.lock:
            if self._active and not self._released:
                self._active = False
                self._holds.count -= 1
        if self.parent is not None:
            self.parent.park()
        if self.waiter is not None:
            self.waiter.park()
        self._holds.changed()

    def resume(self) -> None:
        """Stop time again: the wait is over, its consequences are not yet seen."""
        if self.parent is not None:
            self.parent.resume()
        if self.waiter is not None:
            self.waiter.resume()
        with self._holds.lock:
            if not self._active and not self._released:
                self._active = True
                self._holds.count += 1

    def release(self) -> None:
        with self._holds.lock:
            if self._released:
                return
            self._released = True
            if self._active:
                self._holds.count -= 1
            self._holds.firm -= self.is_firm
            self._holds.open.pop(self.id, None)
        if self.waiter is not None:
            self.waiter.resume()
        self._holds.changed()


class Holds:
    """All holds of one simulation. Safe to use from any thread."""

    _of_all: ClassVar[weakref.WeakSet[Holds]] = weakref.WeakSet()

    def __init__(self, changed: Callable[[], None]) -> None:
        self._of_all.add(self)
        self.lock = threading.Lock()
        self.count = 0
        self.firm = 0
        self.open: dict[int, Hold] = {}
        self.changed = changed
        #: How many were ever taken.
        self.taken = 0

    def take(
        self,
        reason: str,
        parent: Hold | None = None,
        owner: object = None,
        *,
        is_firm: bool = False,
    ) -> Hold:
        with self.lock:
            self.taken += 1
            hold = self.open[self.taken] = Hold(self, self.taken, reason, parent, owner, is_firm)
            self.count += 1
            self.firm += is_firm
        return hold

    def of(self, owner: object) -> list[Hold]:
        """Those that somebody's code has taken."""
        with self.lock:
            return [hold for hold in self.open.values() if hold.owner is owner]

    def others_are_open(self) -> bool:
        """Whether somebody waits for another simulation of this process, or uses it just now."""
        return any(holds.open for holds in list(self._of_all) if holds is not self)

    def close(self) -> None:
        """The simulation has ended: what was taken and never released holds up nobody else."""
        self._of_all.discard(self)

    def by_id(self, id: int) -> Hold | None:
        return self.open.get(id)


#: The hold of the callback that is running at a virtual instant, which its calls park and resume.
enclosing_hold: contextvars.ContextVar[Hold | None] = contextvars.ContextVar(
    "timeskip_enclosing_hold", default=None
)
