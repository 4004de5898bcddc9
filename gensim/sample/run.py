"""Draws samples on the ranks that were started; rank 0 writes samples.h5 and sheet.png."""

from pathlib import Path

from gensim.data.sets import CropSet
from gensim.data.sheet import draw_sheet
from gensim.model.folder import Model, load
from gensim.ranks import joined
from gensim.sample.draw import Order, drawn, write_samples


def sample(folder: Path, order: Order, output: Path) -> None:
    """Draws what is ordered from the model in `folder`."""
    with joined() as ranks:
        model = ranks.together(lambda: _checked(folder, order))
        images = drawn(model, order, ranks)

        def write() -> None:
            write_samples(output / "samples.h5", model, order, images)
            draw_sheet(CropSet([output / "samples.h5"]), output / "sheet.png")

        ranks.on_first(write)


def _checked(folder: Path, order: Order) -> Model:
    model = load(folder)
    order.check(model)
    return model
