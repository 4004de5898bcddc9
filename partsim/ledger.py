"""The energy account of a build, in compensated sums."""

from dataclasses import asdict, dataclass, field

TERMS = ("laser", "layers", "lost_top", "lost_plate", "adaptation")


@dataclass
class Sum:
    """A sum that keeps what each addition rounds off (Neumaier)."""

    total: float = 0.0
    rest: float = 0.0

    def add(self, value: float) -> None:
        """total + rest += value, exactly to about twice the precision."""
        new = self.total + value
        big, small = (self.total, value) if abs(self.total) >= abs(value) else (value, self.total)
        self.rest += (big - new) + small
        self.total = new

    @property
    def value(self) -> float:
        """The sum."""
        return self.total + self.rest


@dataclass
class Ledger:
    """Energy in J booked on this rank; `laser` counts on every rank alike, the rest add up.

    laser       absorbed from the beam          layers      enthalpy of newly laid powder
    lost_top    radiated and evaporated         lost_plate  given to the fixed bottom of the plate
    adaptation  change of the enthalpy when the mesh changes (round-off)
    """

    laser: Sum = field(default_factory=Sum)
    layers: Sum = field(default_factory=Sum)
    lost_top: Sum = field(default_factory=Sum)
    lost_plate: Sum = field(default_factory=Sum)
    adaptation: Sum = field(default_factory=Sum)

    def state(self) -> list[list[float]]:
        """All sums as numbers, for a checkpoint."""
        return [list(pair.values()) for pair in asdict(self).values()]

    @classmethod
    def restored(cls, state: list[list[float]]) -> "Ledger":
        """The ledger whose state() this is."""
        return cls(*(Sum(*pair) for pair in state))
