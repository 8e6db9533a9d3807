"""JSON payloads, spelled alike: the same value is the same bytes."""

from __future__ import annotations

import json

from temporalio.api.history.v1 import History

from timeskip.histories.generated_ids import payloads_of


def spell_alike(history: History) -> None:
    """Write each JSON payload without white space and its keys in order, in place.

    What says that it is JSON and is not stays as it is.
    """
    for payload in payloads_of(history):
        if payload.metadata.get("encoding", b"").startswith(b"json/"):
            try:
                value = json.loads(payload.data)
            except ValueError:
                continue
            payload.data = json.dumps(
                value, sort_keys=True, separators=(",", ":"), ensure_ascii=False
            ).encode(errors="surrogatepass")
