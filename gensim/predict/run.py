"""The verb `gensim predict`: conditions at places of a part, images drawn for them."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gensim.model.folder import Model, load
from gensim.predict.picture import draw_places, draw_section
from gensim.predict.places import Arrivals, Place, place_at, read_arrivals, shown, tiles
from gensim.predict.volume import write_slab
from gensim.ranks import joined
from gensim.sample.draw import Order, drawn, write_samples
from partsim.errors import UserError
from partsim.schema import require
from partsim.wholefile import replace_json

SLABS = "place_*.vtkhdf"


class Asked(NamedTuple):
    """Where: points (3,) in m, or the x of a plane that images cover; and W, nominal."""

    points: list[np.ndarray]
    plane: float | None
    power: float


def predict(run: Path, model_folder: Path, asked: Asked, order: Order, output: Path) -> None:
    """Writes samples.h5, part.png, places.json and, of points, place_N.vtkhdf.

    order  what is drawn at each place; its conditions are those of the places
    """
    with joined() as ranks:
        arrivals = ranks.together(lambda: read_arrivals(run))
        model = ranks.together(lambda: load(model_folder))
        places = ranks.together(lambda: found(arrivals, model, asked))
        order = replace(order, conditions=np.stack([place.condition for place in places]))
        ranks.together(lambda: check(model_folder, model, order, places))
        images = drawn(model, order, ranks)
        ranks.on_first(lambda: write(arrivals, model, asked, order, places, images, output))


def found(arrivals: Arrivals, model: Model, asked: Asked) -> list[Place]:
    """The places that are asked for."""
    width = model.size * model.card.pixel_size
    points = asked.points
    if asked.plane is not None:
        points = [*tiles(arrivals.job, asked.plane, width)]
    return [place_at(arrivals, point, asked.power, width) for point in points]


def check(folder: Path, model: Model, order: Order, places: list[Place]) -> None:
    """UserError where the model cannot draw what is asked for, or shows sections along the scan."""
    section = model.card.section
    require(section == "cross", f"{folder}: section", section,
            "cross: images are set across the lines of the scan")
    for place in places:
        try:
            replace(order, conditions=place.condition[None]).check(model)
        except UserError as problem:
            raise UserError(f"at {shown(place.point)}, layer {place.layer}: {problem}") from problem


def write(
    arrivals: Arrivals, model: Model, asked: Asked, order: Order, places: list[Place],
    images: np.ndarray, output: Path,
) -> None:
    """All files; the slabs of an earlier call are gone."""
    absorbed = np.array([place.absorbed for place in places])
    colours = write_samples(output / "samples.h5", model, order, images, absorbed)
    each = colours.reshape(len(places), order.count, *colours.shape[1:])
    width = model.size * model.card.pixel_size
    for old in output.glob(SLABS):
        old.unlink()
    if asked.plane is not None:
        draw_section(output / "part.png", arrivals, places, each[:, 0], width)
    else:
        draw_places(output / "part.png", arrivals, places, each, width)
        for number, (place, some) in enumerate(zip(places, each), 1):
            write_slab(output / SLABS.replace("*", str(number)), some[0], model.card.pixel_size,
                       place.point, place.along)
    replace_json(output / "places.json", [told(place) for place in places])


def told(place: Place) -> dict[str, Any]:
    """A place in SI units."""
    power, speed, temperature = map(float, place.condition)
    return {"point": place.point.tolist(), "layer": place.layer, "distance": place.distance,
            "along": place.along.tolist(), "absorbed_power": place.absorbed, "power": power,
            "speed": speed, "initial_temperature": temperature}
