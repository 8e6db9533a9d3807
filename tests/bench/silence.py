"""Keeps the output of servers, which are processes of their own, out of the report."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_STANDARD_OUTPUTS = (1, 2)


@contextmanager
def servers_silenced() -> Iterator[TextIO]:
    """Sends both standard outputs of this process and its children nowhere.

    Yields a file that still reaches the terminal that standard error is connected to.
    """
    sys.stdout.flush()
    kept = [os.dup(output) for output in _STANDARD_OUTPUTS]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for output in _STANDARD_OUTPUTS:
            os.dup2(nowhere, output)
        with os.fdopen(os.dup(kept[-1]), "w", encoding=sys.stderr.encoding) as terminal:
            yield terminal
    finally:
        for output, original in zip(_STANDARD_OUTPUTS, kept, strict=True):
            os.dup2(original, output)
            os.close(original)
        os.close(nowhere)
