"""Orders of convergence from the errors of a series of refinements."""
from collections.abc import Sequence

import numpy as np


def observed_order(errors: Sequence[float], ratio: float = 2.0) -> float:
    """p of error ~ size^p between the two finest of a series refined by `ratio` each time."""
    coarse, fine = errors[-2:]
    return float(np.log(coarse / fine) / np.log(ratio))


def observed_orders(errors: Sequence[float], ratio: float = 2.0) -> np.ndarray:
    """p of error ~ size^p between each two neighbours of the series: (n-1,) for errors (n,)."""
    return -np.diff(np.log(errors)) / np.log(ratio)
