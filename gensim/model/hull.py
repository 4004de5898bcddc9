"""Whether a condition lies among those that a model was trained with."""

import numpy as np
from scipy.optimize import linprog

from gensim.data.conditions import condition_text
from partsim.errors import UserError

TOLERANCE = 1e-6  # of the range of each condition


def inside_hull(point: np.ndarray, trained: np.ndarray) -> bool:
    """Whether `point` (d,) is a mean with weights w >= 0 of the rows of `trained` (n, d).

    A linear programme: its slack is the largest distance that remains, in units of the ranges.
    """
    spread = np.ptp(trained, axis=0)
    spread = np.where(spread > 0, spread, np.maximum(np.abs(trained).max(axis=0), 1e-300))
    offsets = ((trained - point) / spread).T  # (d, n)
    dimension, count = offsets.shape
    slack = -np.ones((2 * dimension, 1))
    bounds = np.hstack([np.vstack([offsets, -offsets]), slack])
    weights = np.append(np.ones(count), 0.0)[None]
    found = linprog(np.append(np.zeros(count), 1.0), A_ub=bounds, b_ub=np.zeros(2 * dimension),
                    A_eq=weights, b_eq=[1.0])
    return bool(found.success and found.fun <= TOLERANCE)


def check_condition(condition: np.ndarray, trained: np.ndarray, dropout: bool) -> None:
    """UserError where a model cannot know the condition (3,), NaN where it is left open.

    trained  (n, 3) the different conditions that it was trained with
    dropout  whether it also learned without conditions, and without the temperature alone
    """
    known = ~np.isnan(condition)
    text = condition_text(condition)
    has = ~np.isnan(trained)
    like = trained[(has == known).all(axis=1)]
    if dropout and not known[2]:
        like = trained[has[:, known].all(axis=1)]
    if len(like) == 0:
        raise UserError(f"condition {text}, but the model was trained with none that gives the same"
                        " ones of power, speed and initial temperature")
    if known.any() and not inside_hull(condition[known], like[:, known]):
        low, high = like.min(axis=0), like.max(axis=0)
        raise UserError(f"condition {text} is outside the hull of those trained with, all of"
                        f" which lie between {condition_text(low)} and {condition_text(high)}")
