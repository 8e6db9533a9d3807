"""What the Temporal API has, and how much of it conformance scenarios prove.

What there is comes from the SDK's own descriptors, so that nothing is left out by accident. A claim
names one thing in it, in the words that Temporal's documentation uses:

    rpc:StartWorkflowExecution                          an RPC
    command:ScheduleActivityTask                        a command
    event:ActivityTaskScheduled                         a history event
    option:StartWorkflowExecutionRequest.request_id     a field of a message
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from google.protobuf.descriptor import Descriptor, MethodDescriptor
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.operatorservice.v1 import service_pb2 as operator_service
from temporalio.api.testservice.v1 import service_pb2 as test_service
from temporalio.api.workflowservice.v1 import service_pb2 as workflow_service

Proofs = Mapping[str, Sequence[str]]
"""The scenarios that prove each claim."""


def in_words(constant: str) -> str:
    """`START_TIMER` as documentation writes it: `StartTimer`."""
    return "".join(map(str.capitalize, constant.split("_")))


METHODS = [
    method
    for module in (workflow_service, operator_service, test_service)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]

COMMAND_ATTRIBUTES = {
    in_words(option.name.removesuffix("_command_attributes")): option.message_type
    for option in Command.DESCRIPTOR.oneofs_by_name["attributes"].fields
    if option.message_type
}
"""`StartTimer` -> `StartTimerCommandAttributes`."""

EVENTS = [
    in_words(name.removeprefix("EVENT_TYPE_")) for name, number in EventType.items() if number
]


class State(Enum):
    """How much of something is simulated."""

    SUPPORTED = "supported"
    PARTIAL = "partial"
    NOT = "not"


@dataclass(frozen=True)
class Entry:
    """Something that scenarios may prove, with the options that belong to it."""

    claim: str
    proofs: Sequence[str]
    answered: bool = False
    options: Sequence[Entry] = ()
    deprecated: bool = False

    @property
    def name(self) -> str:
        """The RPC, the command, the event or, for an option, the field."""
        return self.claim.partition(":")[2].rpartition(".")[2]

    @property
    def needed(self) -> list[Entry]:
        """The options without which the whole is only partly supported."""
        return [option for option in self.options if not option.deprecated]

    @property
    def state(self) -> State:
        """Never better than what scenarios prove."""
        if not self.proofs:
            return State.PARTIAL if self.answered else State.NOT
        if all(option.proofs for option in self.needed):
            return State.SUPPORTED
        return State.PARTIAL


@dataclass(frozen=True)
class Catalogue:
    """Everything that can be supported."""

    rpcs: Mapping[str, Sequence[Entry]]
    """By the service's name."""
    commands: Sequence[Entry]
    events: Sequence[Entry]
    options: Mapping[str, Sequence[Entry]]
    """By the message's name: requests of answered RPCs, attributes of commands, and those of their
    parts that some scenario names."""
    answers: Mapping[str, Sequence[Entry]]
    """By the message's name: the fields of responses and events that some scenario names."""


def catalogue(proofs: Proofs, answered: Iterable[str]) -> Catalogue:
    """All of the API, with what proves it.

    `answered` are the full names of the methods that the server answers, such as
    `temporal.api.workflowservice.v1.WorkflowService/StartWorkflowExecution`. `ValueError` if a
    claim names nothing in the catalogue: it is misspelt, or the server does not answer that RPC.
    """
    known = set(answered)
    methods = [method for method in METHODS if full_name(method) in known]
    whole = [method.input_type for method in methods] + [*COMMAND_ATTRIBUTES.values()]
    sent = parts_of([*whole, Command.DESCRIPTOR])
    returned = parts_of([HistoryEvent.DESCRIPTOR, *(method.output_type for method in methods)])
    options = {message.name: fields_of(message, proofs) for message in whole if message.fields}
    options |= {name: fields for name, fields in named(sent, proofs).items() if name not in options}
    listed = Catalogue(
        rpcs=rpcs(proofs, known, options),
        commands=[
            Entry(claim, proofs.get(claim, ()), options=options[attributes.name])
            for name, attributes in COMMAND_ATTRIBUTES.items()
            for claim in [f"command:{name}"]
        ],
        events=[Entry(claim, proofs.get(claim, ())) for claim in (f"event:{e}" for e in EVENTS)],
        options=options,
        answers={
            name: [field for field in fields if field.proofs]
            for name, fields in named(returned, proofs).items()
            if name not in options
        },
    )
    refuse_baseless_claims(listed, proofs)
    return listed


def rpcs(
    proofs: Proofs, answered: set[str], options: Mapping[str, Sequence[Entry]]
) -> dict[str, list[Entry]]:
    """The RPCs by service; only those that are answered have proofs and options."""
    entries: dict[str, list[Entry]] = {}
    for method in METHODS:
        entry = Entry(f"rpc:{method.name}", ())
        if full_name(method) in answered:
            fields = options.get(method.input_type.name, ())
            entry = Entry(entry.claim, proofs.get(entry.claim, ()), True, fields)
        entries.setdefault(method.containing_service.name, []).append(entry)
    return entries


def named(messages: Iterable[Descriptor], proofs: Proofs) -> dict[str, list[Entry]]:
    """The fields of those messages of which scenarios name any field."""
    every = {message.name: fields_of(message, proofs) for message in messages}
    return {name: fields for name, fields in every.items() if any(f.proofs for f in fields)}


def refuse_baseless_claims(listed: Catalogue, proofs: Proofs) -> None:
    """`ValueError` if a scenario claims what the catalogue does not have."""
    answered = [entry for entries in listed.rpcs.values() for entry in entries if entry.answered]
    fields = [*listed.options.values(), *listed.answers.values()]
    entries = itertools.chain(answered, listed.commands, listed.events, *fields)
    baseless = sorted(proofs.keys() - {entry.claim for entry in entries})
    if baseless:
        raise ValueError(f"scenarios claim what is misspelt or not answered: {', '.join(baseless)}")


def full_name(method: MethodDescriptor) -> str:
    """The name as gRPC has it in a path, without the first slash."""
    return f"{method.containing_service.full_name}/{method.name}"


def fields_of(message: Descriptor, proofs: Proofs) -> list[Entry]:
    """An option for each field of the message, but for the attributes inside a command."""
    attributes = COMMAND_ATTRIBUTES.values()
    return [
        Entry(claim, proofs.get(claim, ()), deprecated=bool(field.GetOptions().deprecated))
        for field in message.fields
        if field.message_type not in attributes
        for claim in [f"option:{message.name}.{field.name}"]
    ]


def parts_of(messages: Iterable[Descriptor]) -> list[Descriptor]:
    """The API's own messages that these are made of, at any depth, sorted by name."""
    found: dict[str, Descriptor] = {}
    waiting = list(messages)
    while waiting:
        message = waiting.pop()
        if message.full_name in found or not message.full_name.startswith("temporal.api."):
            continue
        found[message.full_name] = message
        waiting += [field.message_type for field in message.fields if field.message_type]
    return sorted(found.values(), key=lambda message: (message.name, message.full_name))
