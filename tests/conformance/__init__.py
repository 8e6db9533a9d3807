"""Scenarios that run on the real Temporal server and on our lanes, and have to see the same.

A scenario is an `async def` test of a `World`, marked with what it proves:

    @scenario("rpc:TerminateWorkflowExecution", "event:WorkflowExecutionTerminated")
    async def test_terminate_before_the_first_task_starts(world: World) -> None:
        run = await world.start()
        await world.terminate(run, "no longer needed")
        await world.observe_history("history", run)

It notes down what it observes and asserts nothing: the real server's observations are what every
lane's are compared with, histories event by event and attribute by attribute. So it has to leave
the real server only one way to behave. `world.raw` polls and answers tasks by hand, at the moment
that the scenario chooses; `world.worker(...)` is the SDK's own worker, for plain workflows.

    pytest tests/conformance -k terminate

Whether the real server agrees with itself:

    CONFORMANCE_LANES=real,again pytest tests/conformance
"""
