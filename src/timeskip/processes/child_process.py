"""A Python process that this one has started, as the operating system sees it."""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing import Pipe

from timeskip.processes.channel import Channel
from timeskip.processes.surroundings import Surroundings

_PROGRAM = """\
import os, sys
os.setpgid(0, 0)
sys.path[:] = {path!r}
from {program} import main
main({channel}, {clock})
"""

#: Real seconds for the last words of a process to be read once it is dead. They are there; but what
#: it has started may live on, and keep the pipes open.
_LAST_WORDS = 5.0

#: So many characters of what it wrote last are kept for messages.
_TAIL = 4000


class ChildProcess:
    """Runs a program of this package, and passes on what it writes.

    One thread starts the process and waits for its end, so that the thread lives as long as the
    process: on Linux the process ends with it. Another reads what the process tells on its channel,
    and another what it writes to its standard output and error, which go to `sys.stdout` and
    `sys.stderr` of this process.

    `on_message` is called with each message, `on_end` once, after the last of them; each from one of
    the threads.
    """

    def __init__(
        self,
        first_message: object,
        clock_descriptor: int | None,
        on_message: Callable[[object], None],
        on_end: Callable[[], None],
        *,
        surroundings: Surroundings,
        program: str = "timeskip.processes.resident",
    ) -> None:
        self._surroundings = surroundings
        self._program = program
        self._first_message = first_message
        self._clock_descriptor = clock_descriptor
        self._on_message = on_message
        self._on_end = on_end
        self._begun: Future[None] = Future()
        self._dead = threading.Event()
        self._life = threading.Thread(target=self._live, name="timeskip-process", daemon=True)
        self._errors = ""
        self._process: subprocess.Popen[bytes]
        self._channel: Channel

    def start(self) -> None:
        """Start the process; `OSError` if that is not possible."""
        self._life.start()
        self._begun.result()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return not self._dead.is_set()

    @property
    def last_errors(self) -> str:
        """What it wrote last on its standard error."""
        return self._errors

    def ending(self) -> str:
        """How it has ended, in words."""
        code = self._process.returncode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return f"by signal {signal.Signals(-code).name}"
        return f"with exit code {code}"

    def send(self, message: object) -> None:
        """Tell it something."""
        self._channel.send(message)

    def kill(self) -> None:
        """Kill it and what it has started, and wait until it is dead."""
        self._signal_group(signal.SIGKILL)
        self._dead.wait()

    def stand_still(self) -> None:
        """Stop it, and wait until nothing of it runs."""
        self._signal_group(signal.SIGSTOP)
        if hasattr(os, "waitid"):  # not on every system
            with contextlib.suppress(ChildProcessError):  # it is dead
                os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def go_on(self) -> None:
        """It was stopped: let it run."""
        self._signal_group(signal.SIGCONT)

    def ask_to_end(self) -> None:
        """Send the signal by which processes are told to end."""
        if self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def ask_where_it_stands(self) -> None:
        """Have it write where its threads stand, and end."""
        if self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGABRT)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, for so many real seconds, until it has ended and all that it said was heard."""
        if threading.current_thread() is not self._life:
            self._life.join(timeout)
        return not self._life.is_alive()

    # -- its threads --------------------------------------------------------------------------

    def _live(self) -> None:
        try:
            self._process, self._channel = self._spawn()
        except BaseException as error:  # noqa: BLE001 - `start` raises it
            self._begun.set_exception(error)
            return
        self._channel.send(self._first_message)
        readers = [
            threading.Thread(target=read, name=f"timeskip-{name}", daemon=True)
            for name, read in (("channel", self._listen), ("output", self._pass_on_output))
        ]
        for reader in readers:
            reader.start()
        self._begun.set_result(None)
        self._process.wait()
        self._dead.set()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # what it has started
        for reader in readers:
            reader.join(_LAST_WORDS)
        self._on_end()

    def _spawn(self) -> tuple[subprocess.Popen[bytes], Channel]:
        ours, theirs = Pipe()
        descriptors = [theirs.fileno()]
        if self._clock_descriptor is not None:
            descriptors.append(self._clock_descriptor)
        program = _PROGRAM.format(
            program=self._program,
            path=list(self._surroundings.path),
            channel=theirs.fileno(),
            clock=self._clock_descriptor,
        )
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", program],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=descriptors,
                # What it has written before it is killed is not to be lost.
                env={
                    **self._surroundings.environment,
                    "PYTHONUNBUFFERED": "1",
                    "PYTHONIOENCODING": "utf-8",
                },
                cwd=self._surroundings.directory,
            )
        return process, Channel(ours)

    def _listen(self) -> None:
        while (message := self._channel.receive()) is not None:
            self._on_message(message)
        self._channel.close()

    def _pass_on_output(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        decoder = codecs.getincrementaldecoder("utf-8")
        with selectors.DefaultSelector() as selector, self._process.stdout, self._process.stderr:
            for pipe, name in ((self._process.stdout, "stdout"), (self._process.stderr, "stderr")):
                selector.register(pipe, selectors.EVENT_READ, (name, decoder("replace")))
            while selector.get_map():
                for key, _ in selector.select():
                    name, text = key.data
                    data = os.read(key.fd, 65536)
                    self._write(name, text.decode(data, not data))
                    if not data:
                        selector.unregister(key.fileobj)

    def _write(self, name: str, text: str) -> None:
        if not text:
            return
        if name == "stderr":
            self._errors = (self._errors + text)[-_TAIL:]
        stream = getattr(sys, name)
        with contextlib.suppress(ValueError):  # it is closed: nobody looks at it any more
            stream.write(text)
            stream.flush()

    def _signal_group(self, number: signal.Signals) -> None:
        if not self.is_alive:
            return
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, number)
            else:  # it has not got so far yet
                os.kill(self.pid, number)
