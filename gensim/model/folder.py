"""A model and the folder in which it is kept.

    unet/       the network as diffusers saves it
    scheduler/  its noise schedule, likewise
    gensim.json the card: how conditions and colours are scaled, what it was trained with
    README.md   the card in words
"""

import copy
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DModel
from pydantic import ValidationError

from gensim.data.augment import resized
from gensim.data.crops import sha256
from gensim.model.card import FORMAT, Card, in_words
from gensim.model.networks import Prediction
from partsim.errors import UserError

CARD = "gensim.json"
README = "README.md"
STEPS = 1000  # of the noise schedule
BETAS = (1e-4, 0.02)  # its first and last variance; linear in between, the paper's


@dataclass
class Model:
    """A network and its card."""

    unet: torch.nn.Module
    card: Card

    @property
    def size(self) -> int:
        """Pixels along the edge of its images."""
        return self.unet.config.sample_size

    @property
    def channels(self) -> int:
        """Of its images: 3 of colours, 9 of orientations."""
        return self.unet.config.in_channels

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of x_0: channels, rows, columns."""
        return self.channels, self.size, self.size

    @property
    def schedule(self) -> DDIMScheduler:
        """Its noise; a predicted x_0 is cut at -1 and 1 where colours are scaled to that."""
        clip = set(self.card.mean + self.card.std) == {0.5}
        return noise_schedule(clip, self.card.prediction)

    @property
    def width_um(self) -> float:
        """Edge of its images in um."""
        return self.size * self.card.pixel_size * 1e6

    def scaled(self, images: np.ndarray) -> torch.Tensor:
        """x_0 (n, channels, size, size) float64 of images (n, h, h, channels) uint8."""
        small = resized(images, self.size) / 255
        return torch.from_numpy(((small - self.card.mean) / self.card.std).transpose(0, 3, 1, 2))

    def images(self, x: torch.Tensor) -> np.ndarray:
        """(n, size, size, channels) uint8 of x_0: the nearest grey levels, cut at 0 and 255."""
        colour = x.detach().cpu().double().numpy().transpose(0, 2, 3, 1)
        colour = (colour * self.card.std + self.card.mean) * 255
        return np.clip(np.rint(colour), 0, 255).astype(np.uint8)

    def embedded(self, conditions: np.ndarray, like: torch.Tensor) -> torch.Tensor:
        """The vectors (n, width) of conditions (n, 3), of the device and precision of `like`."""
        return torch.from_numpy(self.card.embedding(conditions)).to(like)


def cast(unet: torch.nn.Module, *where: object) -> torch.nn.Module:
    """The same network with its weights moved to a device and a precision.

    The method of diffusers warns of layers that need another precision, even where there are none.
    """
    return torch.nn.Module.to(unet, *where)


def noise_schedule(clip: bool, prediction: Prediction) -> DDIMScheduler:
    """The paper's schedule: 1000 steps, linear variances.

    clip  whether a predicted x_0 is cut at -1 and 1
    """
    return DDIMScheduler(num_train_timesteps=STEPS, beta_start=BETAS[0], beta_end=BETAS[1],
                         beta_schedule="linear", clip_sample=clip, prediction_type=prediction)


def save(model: Model, folder: Path, half: bool = False) -> None:
    """Writes the folder anew; a killed process leaves the former one or none, never a mixture.

    half  weights as bfloat16, half the bytes
    """
    folder = Path(folder)
    unet = cast(copy.deepcopy(model.unet), torch.bfloat16 if half else torch.float32)
    try:
        partial = folder / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        unet.save_pretrained(partial / "unet")
        _forget_place(partial / "unet" / "config.json")
        model.schedule.save_pretrained(partial / "scheduler")
        card = model.card.model_dump_json(indent=1) + "\n"
        (partial / CARD).write_text(card, encoding="utf-8")
        (partial / README).write_text(in_words(model.card, unet), encoding="utf-8")
        (folder / CARD).unlink(missing_ok=True)
        for name in ("unet", "scheduler", README, CARD):  # the card last: no model without it
            shutil.rmtree(folder / name, ignore_errors=True)
            os.replace(partial / name, folder / name)
        partial.rmdir()
    except OSError as problem:
        raise UserError(f"cannot write {folder}: {problem.strerror or problem}") from problem


def _forget_place(config: Path) -> None:
    """Takes out where a network was read, which says nothing elsewhere."""
    entries = json.loads(config.read_text(encoding="utf-8"))
    entries.pop("_name_or_path", None)
    config.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


def load_card(folder: Path) -> Card:
    """The card in a folder; UserError where there is none of ours."""
    path = Path(folder) / CARD
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise UserError(f"{folder} is not the folder of a model: it has no {CARD}") from problem
    except ValueError as problem:
        raise UserError(f"{path} is no card of a model: {problem}") from problem
    told = stored.get("format") if isinstance(stored, dict) else None
    if told != FORMAT:
        raise UserError(f'{path} has format = "{told}", but it must be "{FORMAT}"')
    try:
        return Card.model_validate(stored)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{path} is no card of a model: {where} {first['msg']}") from problem


def weights_of(folder: Path) -> list[str]:
    """SHA-256 of the files that hold the weights of the model in a folder."""
    return [sha256(path) for path in sorted(Path(folder).glob("unet/*.safetensors"))]


def load(folder: Path) -> Model:
    """The model in a folder, its weights float32; UserError where it is incomplete or another's."""
    card = load_card(folder)
    try:
        unet = UNet2DModel.from_pretrained(Path(folder) / "unet", local_files_only=True)
    except Exception as problem:  # safetensors and diffusers fail in many ways of their own
        text = " ".join(str(problem).split())[:200]
        raise UserError(f"{folder}/unet cannot be loaded: {text}") from problem
    width = unet.time_embedding.linear_2.out_features
    if unet.config.class_embed_type != "identity" or width != card.embedding.width:
        raise UserError(f"{folder}/unet takes no vector of {card.embedding.width} numbers: it is"
                        f" not the network of {CARD}")
    if unet.config.in_channels != len(card.mean):
        raise UserError(f"{folder}/unet makes images of {unet.config.in_channels} channels: it is"
                        f" not the network of {CARD}")
    return Model(unet.float(), card)
