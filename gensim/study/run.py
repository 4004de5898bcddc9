"""Conducts a study: trains, samples and judges cell by cell, and goes on where it was stopped."""

import json
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gensim.data.conditions import condition_text
from gensim.data.crops import files_in, sha256
from gensim.data.sets import CropSet
from gensim.evaluate.compare import Choices, Part
from gensim.evaluate.domain import Domain
from gensim.evaluate.run import NO_FEATURES, apart, copied
from gensim.model.card import FORMAT, Card
from gensim.model.folder import load as load_model
from gensim.model.folder import load_card
from gensim.ranks import Ranks, joined
from gensim.sample.draw import Order, drawn, write_samples
from gensim.study import cells, figures, reference, tables
from gensim.study.cells import ALL, Cell
from gensim.study.judge import Truth, judged
from gensim.study.plan import StudyPlan, continues, load
from gensim.train.loop import STATE
from gensim.train.plan import Plan, Settings
from gensim.train.run import trained
from gensim.train.start import drawing
from partsim.errors import UserError
from partsim.schema import require
from partsim.wholefile import replace_json, replace_text

PRETRAINED = "pretrained"
NEVER = 1_000_000  # validations: early stopping would give the methods unequal steps
PAIRS = 2000  # of crops whose histograms are compared


def fulfil(path: Path, folder: Path) -> None:
    """Does what is left to do of the study in `path`, then writes its report."""
    plan = load(path)
    with joined() as ranks:
        study = Study(plan, path.resolve().parent, folder, ranks)
        ranks.together(study.check)
        study.conduct()


class Study:
    """A study, its crops and the folder of its results.

    `folder` holds pretrained/, one folder and one JSON file a cell, study.json, report.md
    and the pictures errors.png and held_out.png.
    """

    def __init__(self, plan: StudyPlan, base: Path, folder: Path, ranks: Ranks) -> None:
        self.plan, self.folder, self.ranks = plan, folder, ranks
        self.base = base

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """The crops files of both domains; of the experiment those that teach come first."""
        simulation, experiment = (files_in(self.base / getattr(self.plan, name))
                                  for name in ("simulation", "experiment"))
        return {"simulation": simulation, "experiment": experiment}

    @cached_property
    def truth(self) -> Truth:
        """The experiment, all its crops."""
        return Truth.of(Domain.of(self.files["experiment"]))

    @cached_property
    def simulation(self) -> Domain:
        """The simulation, those of its crops that have a condition of the experiment."""
        domain, wanted = Domain.of(self.files["simulation"]), self.truth.conditions
        return domain.some(np.flatnonzero(
            (domain.conditions[:, None] == wanted).all(axis=2).any(axis=1)))

    @cached_property
    def teaches(self) -> np.ndarray:
        """(k,) which crops of the truth some training sees."""
        return CropSet(self.files["experiment"], self.validating).columns["split"] == "train"

    @cached_property
    def validating(self) -> list[tuple[int, int | None]]:
        """(case, run) of the experiment that validate by the study's word."""
        return Settings(validation=self.plan.validation).validating

    @cached_property
    def teaching(self) -> list[Path]:
        """The files of the experiment of which some crop teaches; first those that validate, too,
        so that fewer cases are validated as all are."""
        taught = [path for path in self.files["experiment"]
                  if (CropSet([path]).columns["split"] == "train").any()]
        return sorted(taught, key=lambda path: (not self.named(path), not validates(path)))

    def named(self, path: Path) -> bool:
        """Whether a file of the experiment has a case that the study makes validate."""
        cases = {case for case, _ in self.validating}
        return bool(cases & set(CropSet([path]).columns["case"].tolist()))

    def check(self) -> None:
        """UserError where the crops cannot answer what the study asks, or the folder has the
        results of another one."""
        self.check_folder()
        for name, validating in (("simulation", []), ("experiment", self.validating)):
            crops = CropSet(self.files[name], validating)
            if not (crops.columns["split"] == "validation").any():
                raise UserError(f"{self.files[name][0].parent} has no crop that validates: "
                                f"{name} = {getattr(self.plan, name)}")
        if self.plan.pretrained:
            self.check_drawn(load_card(self.taught))
        if not self.truth.held_out.any():
            raise UserError(f"{self.files['experiment'][0].parent} has no held-out condition")
        least = max(1, sum(map(self.named, self.teaching)))
        for count in self.plan.cases:
            require(least <= count < len(self.teaching), "cases", f"{count}",
                    f"from {least}, those of validation = {self.plan.validation}, to fewer than "
                    f"the {len(self.teaching)} that teach")

    def check_drawn(self, card: Card) -> None:
        """UserError where the baseline would see other images than the model that is refined."""
        plan = self.plan
        if "baseline" not in plan.methods:
            return
        first = Cell("baseline", plan.learning_rates[0], plan.seeds[0], plan.truth[0])
        ours = drawing(self.plan_of(first))
        require(ours == card.drawn, "settings: drawn", ours,
                f"{card.drawn}, as {plan.pretrained} was trained")

    def check_folder(self) -> None:
        """UserError where the folder has results, but not of this plan with these files."""
        if not (self.folder / "plan.json").exists():
            return
        before = self.stored("plan")
        if not (continues(self.asked["plan"], before["plan"]) and before.get("models") == FORMAT):
            raise UserError(f"{self.folder} has the results of another study, or of this one as it "
                            "was before: choose another --output")
        files = self.asked["files"]
        changed = sorted(name for name in {*files, *before["files"]}
                         if files.get(name) != before["files"].get(name))
        if changed:
            raise UserError(f"{self.folder} has results made with other files: {changed[0]} was "
                            f"changed, added or removed since ({len(changed)} such files): choose "
                            "another --output")

    @cached_property
    def asked(self) -> dict[str, Any]:
        """The plan as JSON has it, and SHA-256 of the crops and of the weights that it names."""
        files = [*self.files["simulation"], *self.files["experiment"]]
        if self.plan.pretrained:
            files += sorted(self.taught.glob("unet/*.safetensors"))
        return {"plan": json.loads(self.plan.model_dump_json()), "models": FORMAT,
                "files": {os.path.relpath(path, self.base): sha256(path) for path in files}}

    def conduct(self) -> None:
        """All cells, then the report."""
        self.ranks.on_first(lambda: replace_json(self.folder / "plan.json", self.asked))
        self.once("without_training", self.untrained)
        self.pretrain()
        losses = {cell: self.loss(cell) for cell in cells.searched(self.plan)}
        chosen = cells.compared(self.plan, cells.best_rates(losses))
        results = {cell: self.done(cell) for cell in chosen}
        self.ranks.on_first(lambda: self.report(losses, results))

    def report(self, losses: dict[Cell, float], results: dict[Cell, dict[str, Any]]) -> None:
        """study.json, report.md and the pictures."""
        tree = tables.write(self.folder, self.plan, losses, results,
                            self.stored("without_training"))
        main = [cell for cell in results if cell.seed == self.plan.seeds[0] and cell.cases == ALL]
        figures.draw_errors(tree["held_out"], self.folder / "errors.png")
        figures.draw_crops(self.shown(main), self.folder / "held_out.png")

    def shown(self, main: list[Cell]) -> dict[str, dict[str, np.ndarray]]:
        """Held-out condition -> the truth and each maker -> images, as they are read."""
        truth = self.truth
        makers = {
            reference.SIMULATION: (self.simulation, reference.simulated(truth, self.simulation)),
            reference.NEAREST: (truth.domain, reference.nearest(truth, self.teaches)),
        }
        makers |= {cells.label(cell): self.sampled(cell) for cell in main
                   if self.samples_of(cell).exists()}
        found = {}
        for number in np.flatnonzero(truth.held_out):
            rows = {"truth": truth.domain.some(truth.part(number).which).images}
            rows |= {name: domain.some(made[number].which).images
                     for name, (domain, made) in makers.items() if number in made}
            found[condition_text(truth.conditions[number])] = rows
        return found

    def stored(self, name: str) -> dict[str, Any]:
        """The JSON of this name in the folder."""
        return json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))

    def once(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The JSON of this name; made on rank 0 if it is not there."""
        path = self.folder / f"{name}.json"

        def write() -> None:
            if not path.exists():
                replace_json(path, make())

        self.ranks.on_first(write)
        return self.stored(name)

    def untrained(self) -> dict[str, Any]:
        """The rows that need no training, see `reference`."""
        truth, found = self.truth, {}
        made = reference.simulated(truth, self.simulation)
        found[reference.SIMULATION] = self.judgement(self.simulation, made)
        # the nearest condition is one that taught, and so never nearer to another: no score
        none = dict.fromkeys(("score", "score_less_bias", "control"))
        made = reference.nearest(truth, self.teaches)
        found[reference.NEAREST] = self.judgement(truth.domain, made) | none
        runs = reference.another_run(truth)
        if runs is not None:
            rest, made = runs
            found[reference.ANOTHER_RUN] = self.judgement(truth.domain, made, truth=rest)
        return found

    @property
    def taught(self) -> Path:
        """The folder of the model that the simulation taught."""
        given = self.plan.pretrained
        return self.base / given if given else self.folder / PRETRAINED

    def pretrain(self) -> None:
        """The model that the simulation teaches, if none is given."""
        if self.plan.pretrained:
            return
        settings = self.settings(self.plan.pretrain_images, {})
        plan = Plan(verb="pretrain", files=tuple(self.files["simulation"]),
                    network=self.plan.network, settings=settings)
        self.train(plan, self.taught)

    def settings(self, images: int, own: dict[str, Any]) -> Settings:
        """The settings of a training: those of the study, its own, and no early stop."""
        return Settings(**({"patience": NEVER} | self.plan.settings | own | {"images": images}))

    def train(self, plan: Plan, folder: Path) -> float:
        """Trains unless it is done; the least validation loss."""
        known = self.once_done(folder)
        if known is None:
            known = trained(plan, folder, self.ranks)
            text = json.dumps({"validation_loss": known})
            self.ranks.on_first(lambda: replace_text(folder / "done.json", text))
            self.ranks.on_first(lambda: (folder / STATE).unlink(missing_ok=True))
        return known

    def once_done(self, folder: Path) -> float | None:
        """The validation loss of a training that is done, else None."""
        path = folder / "done.json"
        found = json.loads(path.read_text())["validation_loss"] if path.exists() else None
        return self.ranks.gathered(found)[0]

    def loss(self, cell: Cell) -> float:
        """The least validation loss of a cell, trained if it is not yet; collective."""
        name = f"{cell.name}_loss"
        if self.ranks.gathered((self.folder / f"{name}.json").exists())[0]:
            return self.stored(name)["validation_loss"]
        found = self.train(self.plan_of(cell), self.folder / cell.name)
        return self.once(name, lambda: {**cell._asdict(), "validation_loss": found})[
            "validation_loss"]

    def done(self, cell: Cell) -> dict[str, Any]:
        """The result of a cell, trained and sampled if it is not there yet; collective."""
        if not self.ranks.gathered((self.folder / f"{cell.name}.json").exists())[0]:
            loss = self.train(self.plan_of(cell), self.folder / cell.name)
            self.sample(cell)
            return self.once(cell.name, lambda: self.result(cell, loss))
        return self.stored(cell.name)

    def plan_of(self, cell: Cell) -> Plan:
        """The training of a cell."""
        own = {"learning_rate": cell.rate, "seed": cell.seed, "truth": cell.truth,
               "validation": self.plan.validation}
        settings = self.settings(cell.images or self.plan.images, own)
        rest = [path for path in self.files["experiment"] if path not in self.teaching]
        teaching = self.teaching if cell.cases == ALL else self.teaching[: cell.cases]
        files = tuple([*teaching, *rest])
        if cell.method == "baseline":
            return Plan(verb="pretrain", files=files, network=self.plan.network, settings=settings)
        return Plan(verb=cell.method, files=files, base=self.taught, settings=settings)

    def sample(self, cell: Cell) -> None:
        """Draws every condition of the experiment, also where the model must extrapolate, unless
        that is done."""
        path = self.samples_of(cell)
        if self.ranks.gathered(path.exists())[0]:
            return
        order = Order(self.truth.conditions, self.plan.samples, cell.seed, self.plan.sampler)
        model = load_model(self.folder / cell.name)
        images = drawn(model, order, self.ranks)
        self.ranks.on_first(lambda: write_samples(path, model, order, images))

    def result(self, cell: Cell, loss: float) -> dict[str, Any]:
        """What a cell's JSON holds."""
        domain, made = self.sampled(cell)
        found = self.judgement(domain, made, self.taught_by(self.plan_of(cell).files))
        return {**cell._asdict(), "validation_loss": loss, **found}

    def samples_of(self, cell: Cell) -> Path:
        """The crops file with a cell's samples; without it only the pictures are poorer."""
        return self.folder / cell.name / "samples.h5"

    def taught_by(self, files: Sequence[Path]) -> np.ndarray:
        """(c,) which conditions of the experiment some crop of the files teaches."""
        crops = CropSet(files, self.validating)
        train = crops.conditions[crops.columns["split"] == "train"]
        ours, theirs = (np.nan_to_num(rows) for rows in (self.truth.conditions, train))
        return (ours[:, None] == theirs).all(axis=2).any(axis=1)  # known conditions are not zero

    def sampled(self, cell: Cell) -> tuple[Domain, dict[int, Part]]:
        """A cell's samples, by condition of the experiment."""
        domain = Domain.of([self.samples_of(cell)])
        number = domain.crops.columns["case"]
        return domain, {each: Part(domain, np.flatnonzero(number == each))
                        for each in range(len(self.truth.conditions))}

    def judgement(
        self, domain: Domain, made: dict[int, Part], taught: np.ndarray | None = None,
        truth: Truth | None = None,
    ) -> dict[str, Any]:
        """What was made for conditions beside the truth; the features on held-out ones alone.

        taught  (c,) which conditions the maker knew, None: all that are not held out
        truth   if it is not all of the study's
        """
        truth = truth or self.truth
        taught = ~truth.held_out if taught is None else taught
        found = judged(truth, made, Choices(PAIRS), taught)
        every = np.concatenate([part.which for part in made.values()])
        found["unreadable"] = float(domain.unreadable[every].mean())
        found["removed"] = float(domain.measured.removed[every].mean())
        held = [number for number in made if truth.held_out[number]]
        if not held:
            return found
        ours = truth.domain.some(np.concatenate([truth.part(number).which for number in held]))
        theirs = domain.some(np.concatenate([made[number].which for number in held]))
        known = self.truth.domain.some(np.flatnonzero(self.teaches))
        found["copies"] = copied(ours, theirs, known)
        if self.plan.features != NO_FEATURES:
            found["features"] = apart(ours, theirs, known, self.plan.features,
                                      self.plan.dimensions)
        return found


def validates(path: Path) -> bool:
    """Whether some crop of a file validates."""
    return bool((CropSet([path]).columns["split"] == "validation").any())
