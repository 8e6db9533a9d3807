"""The SDK's sandbox, which compiles the few lines that enter it once and not each time."""

from __future__ import annotations

from functools import lru_cache
from types import CodeType
from typing import Any, cast

from temporalio.worker.workflow_sandbox._runner import _Instance


class QuickSandbox(_Instance):
    """One workflow run in the sandbox."""

    def _run_code(self, code: str, **extra_globals: Any) -> None:
        # It is given to `exec`, which takes either.
        super()._run_code(cast(str, _compiled(code)), **extra_globals)


@lru_cache(maxsize=256)
def _compiled(code: str) -> CodeType:
    return compile(code, "<string>", "exec")
