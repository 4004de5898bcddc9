"""Random numbers that are a function of (seed, index, purpose) and of nothing else."""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What numbers are drawn for; two purposes never share numbers."""

    ORDER = 0
    TRAINING = 1
    VALIDATION = 2
    SAMPLE = 3


def generator(seed: int, index: int, purpose: Purpose) -> np.random.Generator:
    """The numbers of one image, or of one epoch, from their first on (Philox, counter-based)."""
    return np.random.Generator(np.random.Philox(key=[seed, index], counter=[0, 0, 0, purpose]))
