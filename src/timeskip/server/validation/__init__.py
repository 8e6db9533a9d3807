"""Which requests and commands the real server refuses, and with which words.

Every function looks only at its message and at static settings; whether a run exists or a timer id
is taken is for others to say. A request is refused by `timeskip.server.errors.ServiceError`, a
command by `timeskip.server.validation.commands.BadCommand`. What the real server fills in before it
goes on (defaults of retry policies, activity timeouts, caps) is filled in on the message itself.

Wording and order of the checks are those of the real server; `tests/conformance/test_bad_input_*`
compares them.
"""
