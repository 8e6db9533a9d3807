"""State machines, one for each kind of thing that a workflow can ask for.

Each is a table: which event or command moves it from which state to which, and what it then does.
They follow the SDK core's machines, so that the same history gives the same activations, and a
history that does not fit gives the same nondeterminism error.
"""
