"""The text of a small, correct job, with single entries changed, added or taken away."""
import json
from enum import Enum

SMALL = {
    "part": {"size": ["0.4 mm", "0.4 mm", "0.2 mm"]},
    "plate": {"size": ["1.6 mm", "1.6 mm", "0.8 mm"]},
    "laser": {"power": "180 W", "radius": "60 um", "speed": "960 mm/s"},
    "scan": {"hatch": "80 um"},
    "layers": {"thickness": "50 um", "dwell": "20 ms"},
    "mesh": {"block": 4, "levels": 2},
}


class Removed(Enum):
    """A word that no entry can have as its value, with the same name in every process."""

    REMOVED = None


REMOVED = Removed.REMOVED


def job_text(changes: dict[str, object] | None = None, probes: tuple = ()) -> str:
    """TOML of SMALL with changes {"section.entry": value or REMOVED} and probes (name, place)."""
    sections = {name: dict(entries) for name, entries in SMALL.items()}
    for path, value in (changes or {}).items():
        section, entry = path.split(".", 1)
        sections.setdefault(section, {})[entry] = value
        if value is REMOVED:
            del sections[section][entry]
    lines = []
    for name, entries in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{entry} = {json.dumps(value)}" for entry, value in entries.items()]
    for name, position in probes:
        lines += ["[[probes]]", f"name = {json.dumps(name)}", f"position = {json.dumps(position)}"]
    return "\n".join(lines) + "\n"
