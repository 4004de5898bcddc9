"""What a phase step has to do, from what it visited: flops and bytes of each section of its code.

The flops are those that the plain kernels execute in each lane, both sides of a choice included;
polynomials dominate. test_work.py counts them.
"""

import numpy as np

from ..work import Work
from . import visits as at
from .rows import WIDTH

DEGREES_OF_FREEDOM = 3  # of a point: stable alpha, martensite and beta

EXP, POWER, START, CREEP = 26, 50, 216, 150  # an equilibrium or k_as; x^a by log2 and exp2; (69)

# per lane and visit; of what is not listed, none
FLOPS = {
    at.FORMING: EXP + 3,
    at.COOLING: 16,
    at.ADMITTED: EXP + 3,
    at.EQUILIBRIA: EXP,
    at.SATURATIONS: EXP,
    at.SLOWNESSES: EXP,
    at.SUPPLIED: 14,
    at.RAISED: POWER,
    at.GROWN: 10,
    at.EULER: 17,
    at.STARTED: START,
    at.HOT_EULER: 10,
    at.SOUGHT: 2,
    at.FOUND: POWER + 13,
    at.ARRESTED: 8,
    at.CREPT: CREEP,
    at.KNOWN: 12,
    at.ITERATED: 20,
    at.SCALED: 4,
    at.GATED: 5,
    at.MELTED: 5,
    at.LATE: POWER + 14,
    at.MEASURED: POWER + 11,
}

# per lane, or point, and visit: the arrays that pass. A substep works on what is in cache.
BYTES = {
    at.REST: 8,  # T; T_old only of the few blocks near a beam
    at.FORMING: 5 * 8,  # X_as, X_am, T_old, T; X_am
    at.READ: 4 * 8,  # X_as, X_am, T_old, T
    at.WRITTEN: 2 * 8,  # X_as, X_am
    at.ADMITTED: 8,  # Y
    at.SHIFTED: 8,
}


def work(visits: np.ndarray) -> Work:
    """All that was done in the visits (SECTIONS,)."""
    lanes = np.full(at.SECTIONS, WIDTH)
    lanes[[at.REST, at.FORMING]] = 1
    count = lanes * visits
    return Work(
        float(sum(count[section] * flops for section, flops in FLOPS.items())),
        float(sum(count[section] * size for section, size in BYTES.items())),
    )
