"""Spares the SDK what it does again and again for each workflow run or task, with the same result.

It has to, for workers that live for months. In a test it is most of what a run costs. Workers of
other environments in the same process stay as they are.
"""

from timeskip.sdk_shortcuts.payload_passes import leave_payloads_alone
from timeskip.sdk_shortcuts.sandbox import QuickSandbox
from timeskip.sdk_shortcuts.sandbox_modules import remember_modules
from timeskip.sdk_shortcuts.update_methods import recognise_update_methods_fast

__all__ = ["QuickSandbox", "take_shortcuts"]


def take_shortcuts() -> None:
    """For a worker or a `Replayer` that runs in this context, and in each `QuickSandbox`.

    Calling this twice is the same as calling it once.
    """
    leave_payloads_alone()
    remember_modules()
    recognise_update_methods_fast()
