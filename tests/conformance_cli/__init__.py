"""The real `temporal` command line against the real dev server and against `timeskip serve`.

One scripted session (`script.py`) runs once against each; every command must end with the same exit
code, print the same and complain the same.
"""
