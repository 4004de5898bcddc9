"""Jobs of the track scale from tables of entries."""

import json

from partsim import trackjob

SMALL = {"laser": {"power": 20.0, "speed": 0.8}, "track": {"length": 1e-4}}


def job_of(**sections):
    """The job with these sections, SMALL's laser and track where none are given."""
    lines = []
    for name, entries in (SMALL | sections).items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in entries.items()]
    return trackjob.parse("\n".join(lines) + "\n", "track.toml")
