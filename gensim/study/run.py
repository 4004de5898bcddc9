"""Conducts a study: trains, samples and judges cell by cell, and goes on where it was stopped."""

import json
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gensim.data.conditions import condition_text
from gensim.data.crops import sha256
from gensim.evaluate.compare import Part
from gensim.evaluate.domain import Domain
from gensim.model.card import FORMAT, Card
from gensim.model.folder import load as load_model
from gensim.model.folder import load_card
from gensim.ranks import Ranks, joined
from gensim.sample.draw import Order, drawn, write_samples
from gensim.study import cells, figures, reference, tables
from gensim.study.cells import ALL, Cell
from gensim.study.domains import Domains
from gensim.study.judge import JUDGEMENT, Judge
from gensim.study.plan import StudyPlan, continues, load
from gensim.train.loop import STATE, Diverged
from gensim.train.plan import Plan, Settings
from gensim.train.run import trained
from gensim.train.start import drawing
from partsim.errors import UserError
from partsim.schema import require
from partsim.wholefile import replace_json, replace_text

PRETRAINED = "pretrained"
NEVER = 1_000_000  # validations: early stopping would give the methods unequal steps


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
        self.base, self.domains = base, Domains(plan, base)

    @cached_property
    def judge(self) -> Judge:
        """Of all makers."""
        domains = self.domains
        return Judge(self.plan, domains.truth.domain.some(np.flatnonzero(domains.teaches)))

    def check(self) -> None:
        """UserError where the crops cannot answer what the study asks, or the folder has the
        results of another one."""
        self.check_folder()
        self.domains.check()
        if self.plan.pretrained:
            self.check_drawn(load_card(self.taught))

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
        files = [path for domain in self.domains.files.values() for path in domain]
        if self.plan.pretrained:
            files += sorted(self.taught.glob("unet/*.safetensors"))
        return {"plan": json.loads(self.plan.model_dump_json()), "models": FORMAT,
                "files": {os.path.relpath(path, self.base): sha256(path) for path in files}}

    def conduct(self) -> None:
        """All cells, then the report."""
        self.ranks.on_first(lambda: replace_json(self.folder / "plan.json", self.asked))
        self.once("without_training", self.untrained, JUDGEMENT)
        self.pretrain()
        losses, results = self.compared(
            {cell: self.loss(cell) for cell in cells.searched(self.plan)})
        self.ranks.on_first(lambda: self.report(losses, results))

    def compared(
        self, losses: dict[Cell, float | None]
    ) -> tuple[dict[Cell, float | None], dict[Cell, dict[str, Any]]]:
        """The losses of the search and all results at the best rates; collective.

        A rate at which some other seed diverges is as if it had in the search.
        """
        results = {}
        for cell in cells.compared(self.plan, cells.best_rates(losses)):
            found = self.done(cell)
            if found is None:
                same = [each for each in losses
                        if (each.method, each.rate) == (cell.method, cell.rate)]
                return self.compared({**losses, **dict.fromkeys(same)})
            results[cell] = found
        return losses, results

    def report(
        self, losses: dict[Cell, float | None], results: dict[Cell, dict[str, Any]]
    ) -> None:
        """study.json, report.md and the pictures."""
        tree = tables.write(self.folder, self.plan, losses, results,
                            self.stored("without_training")["rows"])
        main = [cell for cell in results if cell.seed == self.plan.seeds[0] and cell.cases == ALL]
        figures.draw_errors(tree["held_out"], self.folder / "errors.png")
        figures.draw_crops(self.shown(main), self.folder / "held_out.png")

    def shown(self, main: list[Cell]) -> dict[str, dict[str, np.ndarray]]:
        """Held-out condition -> the truth and each maker -> images, as they are read."""
        truth, simulation = self.domains.truth, self.domains.simulation
        makers = {
            reference.SIMULATION: reference.simulated(truth, simulation),
            reference.NEAREST: reference.nearest(truth, self.domains.teaches),
        }
        makers |= {cells.label(cell): self.sampled(cell) for cell in main
                   if self.samples_of(cell).exists()}
        found = {}
        for number in np.flatnonzero(truth.held_out):
            parts = {"truth": truth.part(number)}
            parts |= {name: made[number] for name, made in makers.items() if number in made}
            found[condition_text(truth.conditions[number])] = {
                name: part.domain.some(part.which).images for name, part in parts.items()}
        return found

    def stored(self, name: str) -> dict[str, Any]:
        """The JSON of this name in the folder."""
        return json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))

    def kept(self, name: str, judgement: int | None = None) -> bool:
        """Whether the folder has the JSON of this name, of this judgement; collective."""
        path = self.folder / f"{name}.json"
        found = path.exists() and self.stored(name).get("judgement") == judgement
        return self.ranks.gathered(found)[0]

    def once(
        self, name: str, make: Callable[[], dict[str, Any]], judgement: int | None = None
    ) -> dict[str, Any]:
        """The JSON of this name; made on rank 0 unless it is kept."""
        if not self.kept(name, judgement):
            self.ranks.on_first(lambda: replace_json(self.folder / f"{name}.json", make()))
        return self.stored(name)

    def untrained(self) -> dict[str, Any]:
        """The rows that need no training, see `reference`."""
        truth, judgement = self.domains.truth, self.judge.judgement
        taught = ~truth.held_out
        found = {reference.SIMULATION: judgement(
            truth, reference.simulated(truth, self.domains.simulation), taught)}
        made = reference.nearest(truth, self.domains.teaches)
        # the nearest condition is one that taught, and so never nearer to another: no scores
        found[reference.NEAREST] = judgement(truth, made, taught) | {"scores": {}}
        runs = reference.another_run(truth)
        if runs is not None:
            found[reference.ANOTHER_RUN] = judgement(*runs, taught)
        return {"judgement": JUDGEMENT, "rows": found}

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
        plan = Plan(verb="pretrain", files=tuple(self.domains.files["simulation"]),
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

    def loss(self, cell: Cell) -> float | None:
        """The least validation loss of a cell, trained if it is not yet, None where it diverges;
        collective."""
        name, folder = f"{cell.name}_loss", self.folder / cell.name
        if not self.kept(name):
            try:
                found = self.train(self.plan_of(cell), folder)
            except Diverged:
                found = None
                self.ranks.on_first(lambda: (folder / STATE).unlink(missing_ok=True))
            self.once(name, lambda: {**cell._asdict(), "validation_loss": found})
        return self.stored(name)["validation_loss"]

    def done(self, cell: Cell) -> dict[str, Any] | None:
        """The result of a cell, trained and sampled if it is not there yet, None where it diverges;
        collective."""
        if not self.kept(cell.name, JUDGEMENT):
            loss = self.loss(cell)
            if loss is None:
                return None
            self.sample(cell)
            return self.once(cell.name, lambda: self.result(cell, loss), JUDGEMENT)
        return self.stored(cell.name)

    def plan_of(self, cell: Cell) -> Plan:
        """The training of a cell."""
        own = {"learning_rate": cell.rate, "seed": cell.seed, "truth": cell.truth,
               "validation": self.plan.validation}
        settings = self.settings(cell.images or self.plan.images, own)
        teaching = self.domains.teaching
        rest = [path for path in self.domains.files["experiment"] if path not in teaching]
        files = tuple([*(teaching if cell.cases == ALL else teaching[: cell.cases]), *rest])
        if cell.method == "baseline":
            return Plan(verb="pretrain", files=files, network=self.plan.network, settings=settings)
        return Plan(verb=cell.method, files=files, base=self.taught, settings=settings)

    def sample(self, cell: Cell) -> None:
        """Draws every condition of the experiment, also where the model must extrapolate, unless
        that is done."""
        path = self.samples_of(cell)
        if self.ranks.gathered(path.exists())[0]:
            return
        conditions = self.domains.truth.conditions
        order = Order(conditions, self.plan.samples, cell.seed, self.plan.sampler)
        model = load_model(self.folder / cell.name)
        images = drawn(model, order, self.ranks)
        self.ranks.on_first(lambda: write_samples(path, model, order, images))

    def result(self, cell: Cell, loss: float) -> dict[str, Any]:
        """What a cell's JSON holds."""
        taught = self.domains.taught_by(self.plan_of(cell).files)
        found = self.judge.judgement(self.domains.truth, self.sampled(cell), taught)
        return {**cell._asdict(), "validation_loss": loss, **found}

    def samples_of(self, cell: Cell) -> Path:
        """The crops file with a cell's samples, of which it is judged."""
        return self.folder / cell.name / "samples.h5"

    def sampled(self, cell: Cell) -> dict[int, Part]:
        """A cell's samples, by condition of the experiment."""
        domain = Domain.of([self.samples_of(cell)])
        number = domain.crops.columns["case"]
        return {each: Part(domain, np.flatnonzero(number == each))
                for each in range(len(self.domains.truth.conditions))}
