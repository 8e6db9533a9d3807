"""The kinds of faults: those that come with timeskip, and those of plugins."""

from __future__ import annotations

from timeskip.faults.verdicts import VERDICTS, Verdict
from timeskip.hookspecs import plugins


def known_verdicts() -> dict[str, type[Verdict]]:
    """All kinds of faults by name. A plugin's own wins over another of the same name."""
    verdicts = dict(VERDICTS)
    for kinds in reversed(plugins().hook.timeskip_faults()):
        verdicts.update({kind.name: kind for kind in kinds})
    return verdicts
