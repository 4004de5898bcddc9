"""The file of a study."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from gensim.evaluate.run import Features
from gensim.train.plan import Settings
from partsim.errors import UserError
from partsim.schema import Section, parse_toml, read_text, validate

METHODS = ("baseline", "finetune", "distill")
Method = Literal["baseline", "finetune", "distill"]
Positive = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Rate = Annotated[float, Field(gt=0)]
# entries that a study in progress may take more values for, the first of each staying first
GROWING = ("learning_rates", "methods", "seeds", "truth", "cases")
Share = Annotated[float, Field(ge=0, le=1)]


class StudyPlan(Section):
    """Folders are relative to the file; images count those seen in training."""

    simulation: str = Field(description="folder of the crops that teach first")
    experiment: str = Field(description="folder of the crops that refine, validate and test")
    validation: str = Field("", description="cases or runs of the experiment that validate though "
                                            "their files have them train, see gensim info")
    network: str = Field("small", description="see gensim info")
    pretrained: str = Field("", description="folder of the model of the simulation, if there is "
                                            "one")
    pretrain_images: Positive = Field(200_000, description="seen by it otherwise")
    images: Positive = Field(description="seen by every other model: equal steps for all methods")
    learning_rates: tuple[Rate, ...] = Field((1e-4,), min_length=1, description="tried by each "
                                             "method with the first seed; validation decides")
    methods: tuple[Method, ...] = Field(METHODS, min_length=1)
    seeds: tuple[Seed, ...] = Field((0, 1, 2), min_length=1,
                                    description="of the refining trainings")
    truth: tuple[Share, ...] = Field((0.8,), min_length=1, description="weights of the true noise "
                                     "in distillation; the first one is compared with the others")
    cases: tuple[Positive, ...] = Field((), description="fewer cases of the experiment that teach, "
                                        "each number for all methods")
    long_baseline: Annotated[int, Field(ge=0)] = Field(0, description="images seen by one more "
                                                       "baseline, of the first seed; 0: none")
    samples: Positive = Field(52, description="images of each condition")
    sampler: Literal["ddim", "ddpm", "dpm", "paper"] = "ddpm"
    features: Features = "efficientnet-lite0"
    dimensions: Positive = Field(16, description="of the projected features")
    settings: dict[str, Any] = Field({}, description="other settings of all trainings")


def continues(plan: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether the results of a plan `before`, as JSON has it, belong to `plan`: all entries agree
    but those of GROWING, which may have got more values, and a baseline that was added."""
    added = not before.get("long_baseline")
    same = {*plan, *before} - {*GROWING, *(["long_baseline"] if added else [])}
    return all(plan.get(name) == before.get(name) for name in same) and all(
        plan[name][: len(before[name])] == before[name] for name in GROWING)


def load(path: Path) -> StudyPlan:
    """The study in a file; UserError names the first mistake in one line."""
    where = f"study {path}"
    plan = validate(StudyPlan, parse_toml(read_text(path, "study"), where), f"{where}: ")
    for name in ("seeds", "learning_rates", "truth", "methods", "cases"):
        values = getattr(plan, name)
        if len(set(values)) < len(values):
            raise UserError(f"{where}: {name} = {list(values)}, but it must be different values")
    taken = {"images", "learning_rate", "seed", "truth", "validation"} & set(plan.settings)
    if taken:
        raise UserError(f"{where}: settings: {min(taken)} is set by the study itself: leave it out")
    validate(Settings, plan.settings | {"validation": plan.validation}, f"{where}: settings: ")
    return plan
