"""The model that a training run begins with, and the scaling of its data."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from gensim.data.conditions import condition_text, distinct_conditions
from gensim.data.crops import sha256
from gensim.data.sets import CropSet, Drawn, evenly, parts
from gensim.model.card import Card, Stage
from gensim.model.folder import Model, load, load_card
from gensim.model.freezing import freeze
from gensim.model.networks import DEFAULT, NETWORKS, Network, embedding_for
from gensim.train.curve import LOSSES
from gensim.train.plan import Plan
from partsim.errors import UserError

MEASURED = 2000  # crops from which the paper's scaling of colours is taken, at most
PAPER_LONGITUDINAL = 2  # up blocks that the paper fine-tunes for longitudinal sections
FIELD_TOLERANCE = 1e-3  # of the edge of an image, relative


def started(plan: Plan, crops: CropSet) -> tuple[Model, Model | None]:
    """The model to be trained and the teacher of a distillation.

    Raises UserError where data and model do not fit.
    """
    check_parts(crops)
    if plan.base is None:
        return fresh(plan, crops), None
    model = refined(plan, crops)
    if plan.verb == "distill":
        teacher = load(plan.base)
        teacher.unet.requires_grad_(False)
        teacher.unet.eval()
        return model, teacher
    return model, None


def drawing(plan: Plan) -> Drawn:
    """How the crops of a run are drawn; UserError where its base or network is none."""
    if plan.settings.drawn is not None:
        return plan.settings.drawn
    if plan.base is not None:
        return load_card(plan.base).drawn
    return "palette" if network_of(plan).paper else "corners"


def network_of(plan: Plan) -> Network:
    """That of a run from random weights."""
    name = plan.network or DEFAULT
    if name not in NETWORKS:
        raise UserError(f"--network {name}, but it must be {', '.join(NETWORKS)}")
    return NETWORKS[name]


def check_parts(crops: CropSet) -> None:
    """UserError where nothing trains or nothing validates."""
    found = parts(crops)
    for name in ("train", "validation"):
        if len(found[name]) == 0:
            hint = "; --set validation=CASE/RUN takes some" if name == "validation" else ""
            raise UserError(f"{crops.files[0].path} has no crop with split = {name}{hint}")


def fresh(plan: Plan, crops: CropSet) -> Model:
    """A network with random weights that depend on the seed alone."""
    network = network_of(plan)
    train = parts(crops)["train"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.settings.seed)
        unet = network.build(crops.channels)
    mean, std = colours(network, crops, train)
    card = Card(
        network=plan.network or DEFAULT,
        section=crops.section,
        pixel_size=crops.pixel_size * crops.size / network.size,
        drawn=crops.drawn,
        mean=mean,
        std=std,
        prediction=network.prediction,
        embedding=embedding_for(network, crops.section, crops.conditions[train]),
        dropout=not network.paper and plan.settings.dropout > 0,
        trained=[],
    )
    return finished_card(plan, crops, Model(unet, card))


def refined(plan: Plan, crops: CropSet) -> Model:
    """The base model with the colours of the new data and the parts frozen that shall be."""
    model = load(plan.base)
    card = model.card
    check_field(card, crops)
    mean, std = colours(NETWORKS[card.network], crops, parts(crops)["train"])
    model.card = card.model_copy(update={"mean": mean, "std": std})
    if plan.verb == "finetune":
        freeze(model.unet, trained_blocks(plan, model))
    return finished_card(plan, crops, model)


def trained_blocks(plan: Plan, model: Model) -> int:
    """How many of the last up blocks are trained: as asked, else as the paper did."""
    if plan.settings.up_blocks is not None:
        return plan.settings.up_blocks
    return len(model.unet.up_blocks) if model.card.section == "cross" else PAPER_LONGITUDINAL


def check_field(card: Card, crops: CropSet) -> None:
    """UserError where crops show another section, another length of it, or grains in another way
    than the model."""
    if card.network not in NETWORKS:
        raise UserError(f"the model has network = {card.network}, which is not known here")
    if card.section != crops.section:
        raise UserError(f"{crops.files[0].path} has section = {crops.section}, but the model was"
                        f" trained on {card.section}")
    if card.drawn != crops.drawn:
        raise UserError(f"drawn = {crops.drawn}, but it must be {card.drawn}, as the model was"
                        " trained, or left out")
    ours = card.pixel_size * NETWORKS[card.network].size
    theirs = crops.pixel_size * crops.size
    if abs(theirs / ours - 1) > FIELD_TOLERANCE:
        raise UserError(f"{crops.files[0].path} has crops {theirs * 1e6:g} um wide, but the model"
                        f" was trained on {ours * 1e6:g} um")


def finished_card(plan: Plan, crops: CropSet, model: Model) -> Model:
    """The model with this training's conditions and stage added to its card."""
    train, card = parts(crops)["train"], model.card
    conditions = crops.conditions[train]
    if NETWORKS[card.network].paper:
        unknown = np.isnan(conditions[:, :2]).any(axis=1)
        if unknown.any():
            text = condition_text(conditions[unknown][0])
            raise UserError(f"the paper's network needs power and speed, but a crop has: {text}")
        conditions = np.pad(conditions[:, :2], ((0, 0), (0, 1)), constant_values=np.nan)
    known, _ = distinct_conditions(np.concatenate([card.hull, conditions]))
    paths = [file.path for file in crops.files]
    stage = Stage(verb=plan.verb, settings=plan.settings.model_dump(),
                  files=dict(zip(names_of(paths), map(sha256, paths), strict=True)))
    update = {
        "licence": plan.settings.licence or card.licence,
        "trained": [tuple(None if np.isnan(x) else float(x) for x in row) for row in known],
        "stages": [*card.stages, stage],
    }
    return Model(model.unet, card.model_copy(update=update))


def names_of(paths: Sequence[Path]) -> list[str]:
    """What files are called on a card: by their names, from the folder on that they share where two
    have the same."""
    if len({path.name for path in paths}) == len(paths):
        return [path.name for path in paths]
    shared = os.path.commonpath([path.resolve().parent for path in paths])
    return [os.path.relpath(path.resolve(), shared) for path in paths]


def colours(
    network: Network, crops: CropSet, train: np.ndarray
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std with which colours (of 1) are scaled.

    Ours maps 0 ... 1 to -1 ... 1, so that no colour is lost where a predicted image is cut there.
    The paper takes each channel's mean over the data, and the mean of the images' deviations.
    """
    if not network.paper:
        return (0.5,) * crops.channels, (0.5,) * crops.channels
    some = train[evenly(len(train), MEASURED)]
    pixels = crops.images(some).reshape(len(some), -1, crops.channels) / 255
    return tuple(pixels.mean(axis=(0, 1)).tolist()), tuple(pixels.std(axis=1).mean(axis=0).tolist())


def counted(model: Model, row: dict[str, float | None]) -> Card:
    """The card with the images and losses of a row of the curve in its last stage."""
    losses = {name: row[name] for name in LOSSES[1:]}
    last = model.card.stages[-1].model_copy(update={"images": row["images"], "losses": losses})
    return model.card.model_copy(update={"stages": [*model.card.stages[:-1], last]})
