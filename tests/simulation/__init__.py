"""`Simulation`, as the people who use it in their tests see it."""
