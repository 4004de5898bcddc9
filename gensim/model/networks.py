"""The networks by name: the paper's, ours, and a tiny one that shows the mechanics only.

All are UNet2DModel of diffusers with `class_embed_type = "identity"`: what it calls class labels
is the vector of condition.py, added to its embedding of time.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from diffusers import UNet2DModel

from gensim.model.condition import Embedding, smooth_frequencies

PAPER_SPREAD = 30.0  # of the frequencies, cycles per 100 W and per 0.5 m/s
PAPER_OFFSET = {"cross": (100.0, 0.5), "longitudinal": (100.0, 0.25)}  # W, m/s
PAPER_SCALE = (100.0, 0.5)
PAPER_FREQUENCIES = 32
# W, m/s, K: a model may go on with data that vary more, and studies have few initial temperatures
LEAST_RANGES = (100.0, 0.5, 600.0)
WIDTH_PER_CHANNEL = 4  # of the embedding, fixed by UNet2DModel
Prediction = Literal["epsilon", "v_prediction"]  # as diffusers calls them


@dataclass(frozen=True)
class Network:
    """The shape of a network.

    size       pixels along the edge of its images
    channels   of each level, the image's first; each next level has half the pixels
    attention  levels, counted from 0, that have self-attention (the middle always has)
    groups     of the group normalisation
    paper      whether conditions and colours are scaled as in the paper, which knows power and
               speed only and no image without them
    """

    size: int
    channels: tuple[int, ...]
    attention: tuple[int, ...]
    layers: int = 2
    groups: int = 32
    head: int = 8
    paper: bool = False

    def build(self, images: int = 3) -> UNet2DModel:
        """The network for images of so many channels, random weights from torch's generator."""
        levels = range(len(self.channels))
        kinds = ["Attn" if level in self.attention else "" for level in levels]
        return UNet2DModel(
            sample_size=self.size,
            in_channels=images,
            out_channels=images,
            layers_per_block=self.layers,
            block_out_channels=self.channels,
            down_block_types=tuple(f"{kind}DownBlock2D" for kind in kinds),
            up_block_types=tuple(f"{kind}UpBlock2D" for kind in reversed(kinds)),
            attention_head_dim=self.head,
            norm_num_groups=self.groups,
            class_embed_type="identity",
        )

    @property
    def prediction(self) -> Prediction:
        """What the network says of a noisy image: the paper's its noise, ours its velocity.

        x_0 of predicted noise is divided by sqrt(abar_t), 0.008 at the first of 50 steps: noise
        that is wrong by 5 % makes x_0 wrong by three times the range of colours. That of a velocity
        is wrong by no more than the velocity.
        """
        return "epsilon" if self.paper else "v_prediction"

    @property
    def width(self) -> int:
        """Length of the vector of conditions."""
        return WIDTH_PER_CHANNEL * self.channels[0]


NETWORKS = {
    "demo": Network(32, (16, 32, 64), (2,), layers=1, groups=8),
    "small": Network(64, (32, 64, 128, 192), (2, 3), layers=1, head=32),
    "paper": Network(128, (32, 64, 128, 256, 512), (1, 3), paper=True),
}
DEFAULT = "small"


def embedding_for(network: Network, section: str, conditions: np.ndarray) -> Embedding:
    """The embedding of a network that is to be trained with `conditions` (n, 3).

    Ours scales each condition by its least value and its range in the data, but by LEAST_RANGES at
    least; the paper's constants depend on the section alone.
    """
    if network.paper:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # as the paper's program draws them
            frequencies = PAPER_SPREAD * torch.randn(PAPER_FREQUENCIES)
        return Embedding(offset=PAPER_OFFSET[section], scale=PAPER_SCALE,
                         frequencies=tuple(frequencies.tolist()), width=network.width)
    low, spread = ranges(conditions)
    frequencies = smooth_frequencies(network.width // (2 * conditions.shape[1]))
    return Embedding(offset=tuple(low), scale=tuple(spread), frequencies=frequencies,
                     width=network.width)


def ranges(conditions: np.ndarray) -> tuple[list[float], list[float]]:
    """Least value and range of each column; 0 and the least range where nothing is known."""
    low, spread = [], []
    for column, least in zip(conditions.T, LEAST_RANGES, strict=True):
        known = column[~np.isnan(column)]
        low.append(float(known.min()) if len(known) else 0.0)
        spread.append(max(float(np.ptp(known)), least) if len(known) else least)
    return low, spread


def parameters(unet: torch.nn.Module) -> int:
    """The number of all parameters."""
    return sum(weights.numel() for weights in unet.parameters())
