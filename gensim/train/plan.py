"""What a training run is: a verb, its data, the model it starts from, and its settings."""

import difflib
import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gensim.data.sets import Drawn
from partsim.errors import UserError

PLAN = "plan.json"


class Settings(BaseModel):
    """The numbers of a training run; lengths are counted in images, not in steps.

    batch           images in a step, all ranks together
    warmup          images over which the learning rate rises; it then falls along a cosine to 0
    ema             the largest decay of the moving average of the weights, reached by degrees
    clip            largest norm of the gradient
    patience        validations without a better one until the run stops
    truth           weight of the true noise (or velocity) in distillation, 1 - truth that of the
                    teacher's
    up_blocks       last up blocks that fine-tuning trains; None: as the paper, all for
                    cross-sections and two for longitudinal ones
    drawn           how the network sees crops whose grains are known: in the corners of the RGB
                    cube (corners) or the 20 colours of Xie et al. (palette), grains that touch
                    always differing, so that grains can be read from samples; as the files have
                    them (stored); as crystal orientations in nine channels (orientations), so that
                    samples have them, too. Not given: as the model that the run begins with; else
                    in the palette for the paper's network, in corners for ours
    colours         of few orientations, or of `drawn`, are exchanged from image to image
    precision       bf16 makes matrix products in bfloat16: a CPU with instructions for it was 1.5
                    times faster than with float32, one without 3.6 times slower
    compile         by torch.compile, on a GPU only
    half            models are kept as bfloat16
    licence         of the weights, told by the card of the model; GPL-3.0-or-later, for example
    validation      cases, or runs of cases, that validate though their file has them train: "5,7/2"
                    is case 5 and run 2 of case 7
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: int = Field(200_000, gt=0)
    batch: int = Field(32, gt=0)
    learning_rate: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup: int = Field(16_000, ge=0)
    ema: float = Field(0.999, ge=0, lt=1)
    clip: float = Field(1.0, gt=0)
    validate_every: int = Field(8192, gt=0)
    validation_images: int = Field(128, gt=0)
    patience: int = Field(20, gt=0)
    seed: int = Field(0, ge=0, lt=2**63)
    precision: Literal["float32", "float64", "bf16"] = "float32"
    compile: bool = False
    drawn: Drawn | None = None
    mirror: bool = True
    colours: bool = True
    dropout: float = Field(0.1, ge=0, le=0.5)
    truth: float = Field(0.8, ge=0, le=1)
    up_blocks: int | None = Field(None, ge=0)
    half: bool = False
    licence: str = ""
    validation: str = Field("", pattern=r"^(\d+(/\d+)?(,\d+(/\d+)?)*)?$")

    @property
    def validating(self) -> list[tuple[int, int | None]]:
        """(case, run) of `validation`, run None for all runs of a case."""
        pairs = [word.partition("/") for word in self.validation.split(",") if word]
        return [(int(case), int(run) if run else None) for case, _, run in pairs]


class Plan(BaseModel):
    """A training run.

    network  name of a network, of a run that starts from random weights
    base     folder of the model that is refined, or whose pre-training goes on with other data
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    verb: Literal["pretrain", "finetune", "distill"]
    files: tuple[Path, ...]
    network: str | None = None
    base: Path | None = None
    settings: Settings

    def agrees(self, other: "Plan") -> bool:
        """Whether the other plan is this one but for the folders that its files lie in.

        What the files hold is compared when the state of a run is read.
        """
        return self.placeless() == other.placeless()

    def placeless(self) -> "Plan":
        """The plan with files by their names alone."""
        names = tuple(Path(path.name) for path in self.files)
        return self.model_copy(update={"files": names, "base": self.base and Path(self.base.name)})


def settings_of(words: list[str]) -> Settings:
    """Settings with those given as `name=value`; UserError names the one that is wrong."""
    pairs = [word.partition("=") for word in words]
    for word, (name, equals, _) in zip(words, pairs, strict=True):
        if name not in Settings.model_fields or not equals:
            near = difflib.get_close_matches(name, Settings.model_fields, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UserError(f"--set {word}: it must be NAME=VALUE of a setting{hint}")
    try:
        return Settings.model_validate_strings({name: value for name, _, value in pairs})
    except ValidationError as problem:
        first = problem.errors()[0]
        text = first["msg"].lower()
        raise UserError(f"--set {first['loc'][0]}={first['input']}: {text}") from problem


def write_plan(plan: Plan, folder: Path) -> None:
    """Writes plan.json into the folder of a run."""
    (folder / PLAN).write_text(plan.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_plan(folder: Path) -> Plan:
    """The plan of the run in a folder; UserError where there is none."""
    try:
        return Plan.model_validate_json((folder / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValidationError, json.JSONDecodeError) as problem:
        raise UserError(f"{folder} is not the folder of a training run: no valid {PLAN}") from (
            problem)
