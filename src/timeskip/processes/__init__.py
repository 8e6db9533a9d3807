"""Workers in processes of their own, on the wire lane.

A worker process is an ordinary Python process with the SDK's own client and worker. It speaks gRPC
with the simulated service, and through a channel beside that it learns what time it is and says what
its activities wait for, as workers of the test's own process do by being there.

This side:
    `worker_process`     what a test holds, and what has processes one after the other
    `worker_processes`   all of a simulation
    `running_worker`     one of them, as far as time and tasks are concerned
    `child_process`      one of them, as far as the operating system is concerned
    `surroundings`       what it gets from the process that starts it
    `process_killer`     faults that befall them
    `replay_process`     processes in which the runs of such workers are replayed
The side of the process: `resident` is its main program, `resident_bridge` stands before the SDK's
core, `resident_time` is the simulation's clock there; `replayer` is the main program of one that only
replays. Between the two: `channel`, `messages` and
`shared_clock`.
"""
