"""The crops of a study: the simulation, the experiment, and what of the latter teaches whom."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from gensim.data.crops import files_in
from gensim.data.sets import CropSet
from gensim.evaluate.domain import Domain
from gensim.study.judge import Truth
from gensim.study.plan import StudyPlan
from gensim.train.plan import Settings
from partsim.errors import UserError
from partsim.schema import require


class Domains:
    """Both domains of a study whose file lies in the folder `base`."""

    def __init__(self, plan: StudyPlan, base: Path) -> None:
        self.plan, self.base = plan, base

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """The crops files of both domains."""
        return {name: files_in(self.base / getattr(self.plan, name))
                for name in ("simulation", "experiment")}

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

    def taught_by(self, files: Sequence[Path]) -> np.ndarray:
        """(c,) which conditions of the experiment some crop of the files teaches."""
        crops = CropSet(files, self.validating)
        train = crops.conditions[crops.columns["split"] == "train"]
        ours, theirs = (np.nan_to_num(rows) for rows in (self.truth.conditions, train))
        return (ours[:, None] == theirs).all(axis=2).any(axis=1)  # known conditions are not zero

    def check(self) -> None:
        """UserError where the crops cannot answer what the study asks."""
        for name, validating in (("simulation", []), ("experiment", self.validating)):
            crops = CropSet(self.files[name], validating)
            if not (crops.columns["split"] == "validation").any():
                raise UserError(f"{self.files[name][0].parent} has no crop that validates: "
                                f"{name} = {getattr(self.plan, name)}")
        if not self.truth.held_out.any():
            raise UserError(f"{self.files['experiment'][0].parent} has no held-out condition")
        least = max(1, sum(map(self.named, self.teaching)))
        for count in self.plan.cases:
            require(least <= count < len(self.teaching), "cases", f"{count}",
                    f"from {least}, those of validation = {self.plan.validation}, to fewer than "
                    f"the {len(self.teaching)} that teach")


def validates(path: Path) -> bool:
    """Whether some crop of a file validates."""
    return bool((CropSet([path]).columns["split"] == "validation").any())
