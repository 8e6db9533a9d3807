"""The `timeskip` command."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable

import click

from timeskip.clock import Clock, RealClock, VirtualClock
from timeskip.lanes.wire import Grace, WireServer

_CLOCKS: dict[str, Callable[[], Clock]] = {"virtual": VirtualClock, "real": RealClock}


def _all_named(
    context: click.Context, option: click.Parameter, namespaces: tuple[str, ...]
) -> tuple[str, ...]:
    if not all(namespaces):
        raise click.BadParameter("a namespace needs a name")
    return namespaces


#: Workers are processes of their own here, which take a while to start. A client may well have begun
#: to wait before them; time must not have run away by the time they are there.
_GRACE = Grace(never_polled=10.0)

#: The workers of a test environment are started by the test that also starts the environment.
_TEST_SERVER_GRACE = Grace(never_polled=1.0)


class _Commands(click.Group):
    """Imports what is about histories only when it is wanted: servers are to start at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "history"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != "history":
            return super().get_command(ctx, cmd_name)
        from timeskip.history_cli import history

        return history


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="timeskip")
def main() -> None:
    """Test Temporal workflows against a simulated service whose clock is virtual."""


@main.command(short_help="Run the service for any SDK and for the temporal CLI.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of 127.0.0.1 to listen on. 0, the default, takes any free one.",
)
@click.option(
    "--clock",
    type=click.Choice(list(_CLOCKS)),
    default="virtual",
    show_default=True,
    help="virtual: time jumps to the next timer or timeout as soon as every worker is idle and a"
    " client waits. real: time passes as it does in production.",
)
@click.option(
    "--namespace",
    "namespaces",
    metavar="NAME",
    multiple=True,
    default=("default",),
    show_default=True,
    callback=_all_named,
    help="A namespace that exists from the beginning, instead of default. May be given several"
    " times; more can be registered later.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Decides all ids and all other choices that a real service leaves to chance.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Say where the service listens as one line of JSON with address, host, port, clock,"
    " namespaces and seed.",
)
def serve(port: int, clock: str, namespaces: tuple[str, ...], seed: int, as_json: bool) -> None:
    """Run the simulated Temporal service for any SDK and for the temporal CLI.

    It speaks Temporal's own gRPC API, keeps everything in memory, and runs until it is interrupted
    (Ctrl+C) or terminated. Prints one line once it is ready for clients.

    \b
    Example:
      timeskip serve --port 7233 &
      temporal workflow start --type Greeting --task-queue greetings
    """
    with _StopSignals() as stop_signals:
        server = WireServer(
            port=port,
            clock=_CLOCKS[clock](),
            namespaces=namespaces,
            seed=seed,
            grace=_GRACE,
        )
        try:
            server.start()
        except OSError as error:
            raise click.ClickException(str(error)) from error
        try:
            click.echo(_announcement(server, clock, namespaces, seed, as_json))
            stop_signals.wait()
        finally:
            server.stop()


@click.command(short_help="Take the place of Temporal's Java test server.")
@click.argument("port", type=click.IntRange(1, 65535))
@click.option(
    "--enable-time-skipping",
    is_flag=True,
    help="Begin with time unlocked.",
)
def test_server(port: int, enable_time_skipping: bool) -> None:
    """Take the place of Temporal's Java test server, for the test environments of all SDKs.

    These start the test server themselves; let them start this program instead. In Python:

    \b
      WorkflowEnvironment.start_time_skipping(
          test_server_existing_path=shutil.which("timeskip-test-server"))

    Time begins now, and keeps the machine's pace until the environment unlocks it.
    """
    with _StopSignals() as stop_signals:
        server = WireServer(port=port, clock=VirtualClock(time.time_ns()), grace=_TEST_SERVER_GRACE)
        locks = server.service.cluster.time_locks
        locks.begin(0 if enable_time_skipping else 1)
        try:
            server.start()
        except OSError as error:
            raise click.ClickException(str(error)) from error
        try:
            stop_signals.wait()
        finally:
            server.stop()


def _announcement(
    server: WireServer, clock: str, namespaces: tuple[str, ...], seed: int, as_json: bool
) -> str:
    if as_json:
        host, _, port = server.address.rpartition(":")
        return json.dumps(
            {
                "address": server.address,
                "host": host,
                "port": int(port),
                "clock": clock,
                "namespaces": namespaces,
                "seed": seed,
            }
        )
    names = ", ".join(namespaces)
    return f"timeskip listens on {server.address} ({clock} clock, namespace {names}, seed {seed})"


class _StopSignals:
    """From its beginning SIGINT and SIGTERM end nothing but `wait`, which may not have begun yet.

    The interpreter itself writes each signal's number into a socket: unlike a lock or an event that
    a handler would set, a socket can be waited for without harm on every platform.
    """

    def __enter__(self) -> _StopSignals:
        self._received, self._reported = socket.socketpair()
        self._reported.setblocking(False)
        signal.set_wakeup_fd(self._reported.fileno())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, frame: None)
        return self

    def __exit__(self, *exc_info: object) -> None:
        signal.set_wakeup_fd(-1)
        self._received.close()
        self._reported.close()

    def wait(self) -> None:
        self._received.recv(1)


if __name__ == "__main__":
    main(prog_name="timeskip")
