"""The house rules, as tests.

Each rule is a function over one source file. Its file shows first that small samples that break
the rule are caught and that allowed code is not, then that no file of the repository breaks it.
"""
