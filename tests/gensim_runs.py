"""A tiny network and short runs of it; as a program under mpirun, what the ranks compute together.

    mpirun -n 2 python -m tests.gensim_runs CROPS OUT.npz
"""
import sys
from pathlib import Path

import numpy as np

from gensim.model.networks import NETWORKS, Network
from gensim.ranks import Ranks, joined
from gensim.sample.draw import Order, drawn
from gensim.train.loop import Training
from gensim.train.plan import Plan, Settings
from gensim.train.run import read_crops

TINY = "tiny"
NETWORKS[TINY] = Network(16, (8, 16), (1,), layers=1, groups=4)
SHORT = {"images": 96, "batch": 8, "warmup": 16, "validate_every": 48, "validation_images": 8,
         "learning_rate": 1e-3, "ema": 0.9}


def plan(crops, verb="pretrain", base=None, **settings):
    """A short run of the tiny network."""
    return Plan(verb=verb, files=(crops,), network=None if base else TINY, base=base,
                settings=Settings(**{**SHORT, **settings}))


def training(crops, folder, verb="pretrain", base=None, ranks=Ranks(), **settings):
    """The run of such a plan, not begun."""
    made = plan(crops, verb, base, **settings)
    return Training(made, read_crops(made), ranks, folder)


def weights(unet):
    """All parameters of a network as one vector, float64."""
    return np.concatenate([p.detach().double().numpy().ravel() for p in unet.parameters()])


def measured(crops, ranks):
    """After 50 steps in float64 the weights; the first gradient in float32; four samples."""
    nowhere = Path("unused")
    exact = training(crops, nowhere, ranks=ranks, precision="float64", images=400)
    batches = exact._batches()
    for _ in range(50):
        exact.step(next(batches))
    single = training(crops, nowhere, ranks=ranks)
    single.objective(single.network, next(single._batches())).backward()
    gradient = np.concatenate([p.grad.double().numpy().ravel() for p in single.trained])
    order = Order(np.array([[110.0, 0.52, 300.0], [np.nan] * 3]), count=2, steps=4, batch=3)
    images = drawn(single.model, order, ranks)
    return {"weights": weights(exact.unet), "gradient": gradient, "images": images}


if __name__ == "__main__":
    with joined() as all_ranks:
        found = measured(Path(sys.argv[1]), all_ranks)
        all_ranks.on_first(lambda: np.savez(sys.argv[2], ranks=all_ranks.size, **found))
