"""What there is to know of the networks and of a model, for people and for JSON."""

from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from gensim.model.folder import load
from gensim.model.freezing import freeze, trainable
from gensim.model.networks import NETWORKS, Network, parameters


def networks() -> dict[str, Any]:
    """Every network: size, parameters, flops of one evaluation, what each freezing rule trains."""
    return {"networks": {name: described(network) for name, network in NETWORKS.items()}}


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
    """The card of a model and its number of parameters."""
    found = load(folder)
    return {"parameters": parameters(found.unet), **found.card.model_dump(mode="json")}
