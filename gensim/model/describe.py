"""What there is to know of the networks and of a model, for people and for JSON."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from gensim.model.condition import Embedding
from gensim.model.folder import load
from gensim.model.freezing import freeze, trainable
from gensim.model.networks import DEFAULT, NETWORKS, Network, embedding_for, parameters

# between which two conditions look how much alike: text, which of power, speed, temperature, SI
APART = (("1 W", 0, 1.0), ("5 W", 0, 5.0), ("20 W", 0, 20.0), ("50 W", 0, 50.0),
         ("0.02 m/s", 1, 0.02), ("0.05 m/s", 1, 0.05), ("0.1 m/s", 1, 0.1), ("0.2 m/s", 1, 0.2),
         ("50 K", 2, 50.0), ("100 K", 2, 100.0))
EXAMPLE = np.array([[100.0, 0.5, 300.0], [200.0, 1.0, 600.0]])  # ranges for which ours is told


def networks() -> dict[str, Any]:
    """Every network: size, parameters, flops of one evaluation, what each freezing rule trains.

    How alike two conditions look to the paper's network and to ours stands beside it.
    """
    embeddings = {name: embedding_for(NETWORKS[name], "cross", EXAMPLE)
                  for name in ("paper", DEFAULT)}
    return {
        "networks": {name: described(network) for name, network in NETWORKS.items()},
        "condition_kernel": {name: kernels(embedding) for name, embedding in embeddings.items()},
    }


def kernels(embedding: Embedding) -> dict[str, float]:
    """The cosine between the features of a condition and of one so far APART: 1 alike, 0 not."""
    told = {}
    for text, place, distance in APART:
        if place < embedding.count:
            one, other = np.full((2, 3), np.nan)
            one[place], other[place] = EXAMPLE[0, place], EXAMPLE[0, place] + distance
            told[text] = round(embedding.kernel(one, other), 4)
    return told


def described(network: Network) -> dict[str, Any]:
    """One network; nothing is computed: torch's meta device has shapes only."""
    with torch.device("meta"):
        unet = network.build()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            image = torch.zeros(1, 3, network.size, network.size)
            unet(image, torch.zeros(1), class_labels=torch.zeros(1, network.width))
    told = {
        "pixels": network.size,
        "channels": list(network.channels),
        "parameters": parameters(unet),
        "flops_per_image": counter.get_total_flops(),
    }
    rules = {}
    for blocks in range(len(network.channels), -1, -1):
        freeze(unet, blocks)
        rules[str(blocks)] = trainable(unet)
    return told | {"trainable_with_last_up_blocks": rules}


def model(folder: Path) -> dict[str, Any]:
    """The card of a model, its number of parameters, how alike conditions look to it."""
    found = load(folder)
    return {"parameters": parameters(found.unet), **found.card.model_dump(mode="json"),
            "condition_kernel": kernels(found.card.embedding)}
