"""Histories as the JSON that the SDK, the `temporal` command and the web UI read."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from google.protobuf.json_format import MessageToDict
from temporalio.api.history.v1 import History


def history_to_json(history: History) -> str:
    """The history as `temporal workflow show --output json` prints it, with a final line end."""
    return json.dumps(MessageToDict(history), indent=2, ensure_ascii=False) + "\n"


def write_whole(path: Path, text: str) -> None:
    """Write the file so that nobody ever sees a part of it; makes its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(unfinished, 0o644)  # temporary files are their owner's only
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise
