"""Every command of the session, compared between the real dev server and `timeskip serve`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.serving import serving
from tests.conformance_cli.dev_server import dev_server
from tests.conformance_cli.differences import differences
from tests.conformance_cli.normal_form import NormalForm, as_far_as_claimed
from tests.conformance_cli.script import SCRIPT
from tests.conformance_cli.session import replies_of


class Sessions(NamedTuple):
    """The replies of both servers in their normal form, one for each step."""

    real: list[dict[str, object]]
    ours: list[dict[str, object]]


@contextmanager
def timeskip_server() -> Iterator[str]:
    """A fresh `timeskip serve` for the block; its address."""
    with serving() as served:
        yield served.address


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Sessions:
    """The whole script, run once against each server, both at the same time."""

    def run(
        server: Callable[[], AbstractContextManager[str]], home: Path
    ) -> list[dict[str, object]]:
        normal_form = NormalForm()
        with server() as address:
            return [normal_form.of(reply) for reply in replies_of(address, home)]

    with ThreadPoolExecutor(2) as pool:
        real = pool.submit(run, dev_server, tmp_path_factory.mktemp("real"))
        ours = pool.submit(run, timeskip_server, tmp_path_factory.mktemp("ours"))
        return Sessions(real.result(), ours.result())


@pytest.mark.parametrize("number", range(len(SCRIPT)), ids=[step.command for step in SCRIPT])
def test_command_answers_as_on_the_real_server(sessions: Sessions, number: int) -> None:
    real, ours = sessions.real[number], sessions.ours[number]
    found = differences(as_far_as_claimed(real, ours), ours)
    assert not found, "\n".join(found)
