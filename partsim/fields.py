"""The table of stored fields; allocation, transfer, checkpoints and output follow it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """A stored field.

    place     "node" or "cell"
    unit      of its values
    meaning   one phrase
    transfer  how it moves to a new mesh: "enthalpy" (conserves the sum over nodal volumes),
              "interpolate" (kept at nodes that remain), "mean" (of the cells that merge),
              "none" (0 on a new mesh)
    """

    place: str
    unit: str
    meaning: str
    transfer: str


FIELDS = {
    "temperature": Field("node", "K", "temperature", "enthalpy"),
    "alpha_stable": Field("node", "1", "stable alpha fraction", "interpolate"),
    "martensite": Field("node", "1", "martensite fraction", "interpolate"),
    "beta_shift": Field(
        "node", "1", "beta fraction above 0.1 while it is too small for 1 - alpha", "interpolate"
    ),
    "consolidated": Field("cell", "1", "consolidated fraction", "mean"),
}

# where layers are grouped, see grouped_scan.py
GROUPED_FIELDS = {
    "scan_sum": Field("node", "K s", "temperature over the time of the scan at hand", "none"),
}

HISTORY_FIELDS = [name for name, field in FIELDS.items() if field.transfer == "interpolate"]
