"""The card of a model: what must be known of it beside its weights, for programs and in words."""

from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from gensim.data.conditions import condition_text
from gensim.data.sets import Drawn
from gensim.model.condition import Embedding
from gensim.model.networks import Prediction, parameters

FORMAT = "gensim model 2"
INTRODUCTION = """\
# Grain structure of melt tracks: a diffusion model

UNet2DModel `{network}` of gensim, {count:,} parameters: {section} sections of melt tracks, {size}
pixels or {width:.0f} um wide. `gensim sample` draws them{also}.
It predicts {prediction}; its losses are mean squares of what is wrong of these.
What it was trained with (power, speed, initial temperature):
"""
PLAIN = ", and so do the lines of plain\ndiffusers in the README of partsim"
PREDICTED = {"epsilon": "noise", "v_prediction": "velocities"}
ALSO = {
    "corners": f"{PLAIN},\nin the eight colours of gensim/data/corners.py",
    "palette": PLAIN,
    "stored": PLAIN,
    "orientations": ": orientations of crystals\nin nine channels, see gensim/data/harmonics.py",
}


class Stage(BaseModel):
    """One training that a model went through.

    files     SHA-256 of each crops file by its name
    images    seen until the weights were the best
    losses    of these weights on the fixed sets of each part, None where it has no crops
    settings  as gensim.train.plan has them
    """

    model_config = ConfigDict(extra="forbid")

    verb: str
    files: dict[str, str]
    images: int = 0
    losses: dict[str, float | None] = {}
    settings: dict[str, Any]


class Card(BaseModel):
    """What must be known of a model beside its weights.

    pixel_size  m, of the images it makes
    drawn       how they show grains, see gensim/data/sets.py
    mean, std   of each channel: x_0 = (colour/255 - mean)/std
    prediction  what the network says of a noisy image, see networks.py
    dropout     whether it also knows images without conditions, or without the temperature alone
    trained     the different conditions (power, speed, initial temperature) of its training data
    licence     of the weights, empty where the user stated none
    """

    model_config = ConfigDict(extra="forbid")

    format: str = FORMAT
    network: str
    section: str
    pixel_size: float
    drawn: Drawn
    mean: tuple[float, ...]
    std: tuple[float, ...]
    prediction: Prediction
    embedding: Embedding
    dropout: bool
    trained: list[tuple[float | None, float | None, float | None]]
    licence: str = ""
    stages: list[Stage] = []

    @property
    def hull(self) -> np.ndarray:
        """(n, 3) the conditions trained with, NaN where unknown."""
        return np.array(self.trained, dtype=float).reshape(-1, 3)


def in_words(card: Card, unet: torch.nn.Module) -> str:
    """The card as Markdown, headed by the lines that model hubs read."""
    size = unet.config.sample_size
    licence = [f"license: {card.licence.lower()}"] if card.licence else []
    head = ["---", "library_name: diffusers", *licence, "---", ""]
    told = INTRODUCTION.format(network=card.network, count=parameters(unet), section=card.section,
                               size=size, width=size * card.pixel_size * 1e6,
                               also=ALSO[card.drawn], prediction=PREDICTED[card.prediction])
    known = [f"- {condition_text(row)}" for row in card.hull]
    return "\n".join([*head, told, *known, *sum(map(stage_in_words, card.stages), [])]) + "\n"


def stage_in_words(stage: Stage) -> list[str]:
    """The lines about one training."""
    losses = [f"{name} {loss:.4f}" for name, loss in stage.losses.items() if loss is not None]
    settings = [f"{name}={value}" for name, value in stage.settings.items() if value != ""]
    files = [f"| {name} | `{digits}` |" for name, digits in stage.files.items()]
    return ["", f"## {stage.verb}: {stage.images} images", "",
            f"Losses: {', '.join(losses) or 'none'}", "", f"Settings: {', '.join(settings)}", "",
            "| crops file | SHA-256 |", "|---|---|", *files]
