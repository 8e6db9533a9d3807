"""The way out, for each kind of thing that a workflow must not depend upon."""

from __future__ import annotations

import re

from timeskip.histories.nondeterminism.calls import Kind

ADVICE = {
    Kind.RANDOM: "Use `workflow.random()`: it gives the same numbers in every replay.",
    Kind.CLOCK: "Use `workflow.now()` or `workflow.time()`: they give the time in the history.",
    Kind.UUID: "Use `workflow.uuid4()`: it gives the same ids in every replay.",
    Kind.SET_ORDER: "Go through it in an order of your own, as with `sorted(...)`, or keep a list or a"
    " dict.",
    Kind.ENVIRONMENT: "Pass it to the workflow as an argument, or read it in an activity.",
    Kind.TIME_ZONE: "Name the time zone, as in `datetime.fromtimestamp(seconds, timezone.utc)`.",
    Kind.STATE: "Keep it in the workflow's own `self`, pass it as an argument, or read it in an"
    " activity.",
    Kind.REPLAYING: "A workflow has to do the same in a replay. Only what leaves no command, such as a"
    " log, may\ndepend on it.",
    Kind.FILES: "Read it in an activity.",
    Kind.NETWORK: "Do it in an activity.",
    Kind.THREADS: "Run it in an activity; in workflows use `asyncio` tasks.",
    Kind.IDENTITY: "Do not let anything depend on `id(...)`, or on the text of an object that has it.",
    Kind.HASH: "The hash of a text is another one in each process: use one of `hashlib`.",
    Kind.QUERY: "Queries and validators are not run in a replay: they must not change the workflow.",
    Kind.PROCESS: "Pass it to the workflow as an argument, or read it in an activity.",
}

OF_DEFAULTS = (
    "A default is made once, for all calls: let it be `None`, and make a new one in the function."
)

#: What is said instead of a set that these give.
OF_ASYNCIO = {
    "asyncio.wait": "Use `workflow.wait(...)`: it gives lists, in the order of what it was given.",
    "asyncio.as_completed": "Use `workflow.as_completed(...)`: it keeps the order of what it was given.",
}

#: Names of Python's library, or the beginnings of them, that the sandbox keeps from workflows.
_KINDS_BY_NAME = {
    "random": Kind.RANDOM,
    "secrets": Kind.RANDOM,
    "os.urandom": Kind.RANDOM,
    "uuid": Kind.UUID,
    "time": Kind.CLOCK,
    "datetime": Kind.CLOCK,
    "os.environ": Kind.ENVIRONMENT,
    "os.getenv": Kind.ENVIRONMENT,
    "platform": Kind.ENVIRONMENT,
    "os.getpid": Kind.PROCESS,
    "os.getppid": Kind.PROCESS,
    "os.cpu_count": Kind.PROCESS,
    "subprocess": Kind.PROCESS,
    "multiprocessing": Kind.PROCESS,
    "socket.gethostname": Kind.PROCESS,
    "os": Kind.FILES,
    "__builtins__.open": Kind.FILES,
    "io": Kind.FILES,
    "pathlib": Kind.FILES,
    "glob": Kind.FILES,
    "tempfile": Kind.FILES,
    "shutil": Kind.FILES,
    "threading": Kind.THREADS,
    "concurrent.futures": Kind.THREADS,
    "queue": Kind.THREADS,
    "socket": Kind.NETWORK,
    "ssl": Kind.NETWORK,
    "urllib": Kind.NETWORK,
    "http": Kind.NETWORK,
    "ftplib": Kind.NETWORK,
    "smtplib": Kind.NETWORK,
}

_REFUSAL = re.compile(r"Cannot access (?P<name>[\w.]+?)(?:\.__call__)? from inside a workflow")

_SLEEP = (
    "Use `await workflow.sleep(...)` or `await asyncio.sleep(...)`: time passes in the history."
)

_NOT_PASSED_THROUGH = """\
To pass the module through would hide this from the sandbox, and a replay would still differ."""


def kind_of_name(name: str) -> Kind | None:
    """What something of Python's library depends on, by its full name; None if that is not known."""
    while name:
        if name in _KINDS_BY_NAME:
            return _KINDS_BY_NAME[name]
        name = name.rpartition(".")[0]
    return None


def way_out_of_refusal(message: str) -> str | None:
    """What to do about something that the SDK's sandbox has refused; None of any other message."""
    found = _REFUSAL.search(message)
    if found is None:
        return None
    if found["name"] == "time.sleep":
        return _SLEEP
    kind = kind_of_name(found["name"])
    if kind is None:
        return None
    return f"A workflow must not depend on {kind.value}. {ADVICE[kind]}\n{_NOT_PASSED_THROUGH}"
