"""Begins or resumes a run of training on the ranks that were started."""

from contextlib import closing
from pathlib import Path

from gensim.data.sets import CropSet
from gensim.model.folder import CARD
from gensim.ranks import Ranks, joined
from gensim.train.loop import STATE, Training
from gensim.train.plan import Plan, read_plan, write_plan
from gensim.train.start import drawing
from partsim.errors import UserError
from partsim.writable import make_writable


def begin(plan: Plan, folder: Path, stop: int | None = None, overwrite: bool = False) -> None:
    """Trains as planned.

    stop       images after which the state is written and Interrupted raised
    overwrite  whether what a former run left in the folder may go
    """
    with joined() as ranks:
        ranks.together(lambda: check_output(plan, folder, overwrite))
        crops = ranks.together(lambda: read_crops(plan))
        with closing(Training(plan, crops, ranks, folder)) as training:
            ranks.on_first(lambda: _clear(plan, folder))
            _run(training, stop)


def check_output(plan: Plan, folder: Path, overwrite: bool) -> None:
    """UserError where a run would write over the model that it begins with, or over another."""
    left = [name for name in (STATE, CARD) if (folder / name).exists()]
    if left and not overwrite:
        raise UserError(f"{folder} has a training already ({', '.join(left)}): go on with gensim"
                        f" resume {folder}, or give it up with --overwrite")
    if plan.base is not None and folder.resolve() == plan.base.resolve():
        raise UserError(f"--output {folder} is the model to begin with, which would be lost:"
                        " choose another folder")


def resume(folder: Path, stop: int | None = None) -> None:
    """Goes on with the run in a folder from its last state."""
    with joined() as ranks:
        plan = ranks.together(lambda: read_plan(folder))
        crops = ranks.together(lambda: read_crops(plan))
        with closing(Training(plan, crops, ranks, folder)) as training:
            ranks.together(training.restore)
            _run(training, stop)


def read_crops(plan: Plan) -> CropSet:
    """The crops of a plan, drawn and parted as its settings say."""
    return CropSet(plan.files, plan.settings.validating, drawing(plan))


def trained(plan: Plan, folder: Path, ranks: Ranks) -> float:
    """Trains as planned on ranks that are joined; the least validation loss.

    A state of the same plan that an earlier call left in the folder is gone on from, also where the
    crops and the base have been moved since.
    """
    crops = ranks.together(lambda: read_crops(plan))
    with closing(Training(plan, crops, ranks, folder)) as training:
        if ranks.gathered(_stopped(plan, folder))[0]:
            ranks.together(training.restore)
            ranks.on_first(lambda: write_plan(plan, folder))
        else:
            ranks.on_first(lambda: _begin(plan, folder))
        training.run(None)
        return training.best


def _stopped(plan: Plan, folder: Path) -> bool:
    return (folder / STATE).exists() and read_plan(folder).agrees(plan)


def _begin(plan: Plan, folder: Path) -> None:
    make_writable(folder)
    _clear(plan, folder)


def _clear(plan: Plan, folder: Path) -> None:
    for name in (STATE, CARD, "curve.csv", "curve.png"):
        (folder / name).unlink(missing_ok=True)
    write_plan(plan, folder)


def _run(training: Training, stop: int | None) -> None:
    training.run(stop)
    print(f"{training.counter} images, best validation loss {training.best:.4f}")
