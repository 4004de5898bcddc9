"""Begins or resumes a run of training on the ranks that were started."""

from contextlib import closing
from pathlib import Path

from gensim.data.sets import CropSet
from gensim.model.folder import CARD
from gensim.ranks import joined
from gensim.train.loop import STATE, Training
from gensim.train.plan import Plan, read_plan, write_plan


def begin(plan: Plan, folder: Path, stop: int | None = None) -> None:
    """Trains as planned; what a former run left in the folder is gone.

    stop  images after which the state is written and Interrupted raised
    """
    with joined() as ranks:
        crops = ranks.together(lambda: read_crops(plan))
        with closing(Training(plan, crops, ranks, folder)) as training:
            ranks.on_first(lambda: _clear(plan, folder))
            _run(training, stop)


def resume(folder: Path, stop: int | None = None) -> None:
    """Goes on with the run in a folder from its last state."""
    with joined() as ranks:
        plan = ranks.together(lambda: read_plan(folder))
        crops = ranks.together(lambda: read_crops(plan))
        with closing(Training(plan, crops, ranks, folder)) as training:
            ranks.together(training.restore)
            _run(training, stop)


def read_crops(plan: Plan) -> CropSet:
    """The crops of a plan, with the runs that validate by its settings."""
    return CropSet(plan.files, plan.settings.validating)


def _clear(plan: Plan, folder: Path) -> None:
    for name in (STATE, CARD, "curve.csv", "curve.png"):
        (folder / name).unlink(missing_ok=True)
    write_plan(plan, folder)


def _run(training: Training, stop: int | None) -> None:
    training.run(stop)
    print(f"{training.counter} images, best validation loss {training.best:.4f}")
