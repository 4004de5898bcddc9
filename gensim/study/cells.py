"""The trainings of a study: which there are, and which learning rate each method takes."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gensim.study.plan import StudyPlan
from partsim.errors import UserError

ALL = 0  # cases of the experiment: every one that teaches
AS_PLANNED = 0


class Cell(NamedTuple):
    """One refining training.

    truth  weight of the true noise; distillation alone uses it
    cases  how many cases of the experiment teach, ALL for every one
    images seen in training, AS_PLANNED for those of the plan
    """

    method: str
    rate: float
    seed: int
    truth: float
    cases: int = ALL
    images: int = AS_PLANNED

    @property
    def name(self) -> str:
        """Of its folder and its JSON file."""
        parts = [self.method, f"rate{self.rate:g}", f"seed{self.seed}"]
        parts += [f"truth{self.truth:g}"] * (self.method == "distill")
        parts += [f"cases{self.cases}"] * (self.cases != ALL)
        parts += [f"images{self.images}"] * (self.images != AS_PLANNED)
        return "_".join(parts)


def searched(plan: StudyPlan) -> list[Cell]:
    """Every method with every learning rate, and the first seed."""
    return [Cell(method, rate, plan.seeds[0], plan.truth[0])
            for method in plan.methods for rate in plan.learning_rates]


def best_rates(losses: Mapping[Cell, float | None]) -> dict[str, float]:
    """method -> the learning rate with the least validation loss, of the cells `searched`; None is
    the loss where a training at this rate diverged, UserError where that is so at every rate."""
    found: dict[str, float] = {}
    known = {cell: loss for cell, loss in losses.items() if loss is not None}
    for cell in sorted(known, key=known.__getitem__):
        found.setdefault(cell.method, cell.rate)
    for cell in losses:
        if cell.method not in found:
            raise UserError(f"learning_rates: {cell.method} diverges at each of them: smaller ones "
                            "are wanted at the end of the list")
    return found


def compared(plan: StudyPlan, rates: dict[str, float]) -> list[Cell]:
    """All cells whose results are reported, at the best rates: every seed, then the rest."""
    main = [Cell(method, rates[method], seed, plan.truth[0])
            for method in plan.methods for seed in plan.seeds]
    sweep = [Cell("distill", rates["distill"], seed, truth)
             for truth in plan.truth[1:] for seed in plan.seeds if "distill" in rates]
    fewer = [Cell(method, rates[method], seed, plan.truth[0], cases)
             for cases in plan.cases for method in plan.methods for seed in plan.seeds]
    long = [Cell(method, rates[method], plan.seeds[0], plan.truth[0], ALL, plan.long_baseline)
            for method in plan.methods if method == "baseline" and plan.long_baseline]
    return [*main, *long, *sweep, *fewer]


def grouped(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Cells that differ in their seed only, by what they have in common."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(label(cell), []).append(cell)
    return found


def label(cell: Cell) -> str:
    """A row of the report, whatever the seed: such as `finetune, 4 cases`."""
    text = cell.method
    text += f" {cell.truth:g}" * (cell.method == "distill")
    text += f", {cell.images} images" * (cell.images != AS_PLANNED)
    return text + f", {cell.cases} cases" * (cell.cases != ALL)
