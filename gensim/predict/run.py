"""The verb `gensim predict`: conditions at places of a part, images drawn for them."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gensim.model.folder import Model, load
from gensim.predict.picture import draw_places, draw_section, write_image
from gensim.predict.places import (
    Arrivals, Place, near_plane, place_at, read_arrivals, shown, tiles,
)
from gensim.predict.section import laid
from gensim.predict.volume import write_slab
from gensim.ranks import joined
from gensim.sample.draw import Order, drawn, write_samples
from partsim.errors import UserError
from partsim.schema import require
from partsim.wholefile import replace_json

SLABS = "place_*.vtkhdf"
MOSAIC = ("section.png", "section.vtkhdf")


class Asked(NamedTuple):
    """Where: points (3,) in m, or the x of a plane that images cover; and W, nominal."""

    points: list[np.ndarray]
    plane: float | None
    power: float


def predict(run: Path, model_folder: Path, asked: Asked, order: Order, output: Path) -> None:
    """Writes samples.h5, part.png, places.json, of points place_N.vtkhdf, of a plane MOSAIC.

    order  what is drawn at each place; its conditions are those of the places

    Raises UserError where the model does not know the condition of a point, or any of a plane: what
    it does not know of a plane stays grey.
    """
    with joined() as ranks:
        arrivals = ranks.together(lambda: read_arrivals(run))
        model = ranks.together(lambda: load(model_folder))
        ranks.together(lambda: check_section(model_folder, model))
        places = ranks.together(lambda: found(arrivals, model, asked, order))
        order = replace(order, conditions=np.stack([place.condition for place in drawable(places)]))
        images = drawn(model, order, ranks)
        ranks.on_first(lambda: write(arrivals, model, asked, order, places, images, output))


def found(arrivals: Arrivals, model: Model, asked: Asked, order: Order) -> list[Place]:
    """The places that are asked for; UserError where the model can draw none of a plane, or not
    every one of points."""
    width = model.size * model.card.pixel_size
    points, beside = asked.points, arrivals
    if asked.plane is not None:
        points, beside = tiles(arrivals, asked.plane, width), near_plane(arrivals, asked.plane)
    places = [place_at(beside, point, asked.power, width) for point in points]
    places = [place._replace(refused=refusal(model, order, place)) for place in places]
    first = next((place.refused for place in places if place.refused), None)
    if first is not None and (asked.plane is None or not drawable(places)):
        raise UserError(first)
    return places


def drawable(places: list[Place]) -> list[Place]:
    """Those that are not refused."""
    return [place for place in places if place.refused is None]


def refusal(model: Model, order: Order, place: Place) -> str | None:
    """Why the model cannot draw a place, None where it can."""
    try:
        replace(order, conditions=place.condition[None]).check(model)
    except UserError as problem:
        return f"at {shown(place.point)}, layer {place.layer}: {problem}"
    return None


def check_section(folder: Path, model: Model) -> None:
    """UserError where the model shows sections along the scan."""
    section = model.card.section
    require(section == "cross", f"{folder}: section", section,
            "cross: images are set across the lines of the scan")


def write(
    arrivals: Arrivals, model: Model, asked: Asked, order: Order, places: list[Place],
    images: np.ndarray, output: Path,
) -> None:
    """All files; the slabs and sections of an earlier call are gone."""
    known = drawable(places)
    absorbed = np.array([place.absorbed for place in known])
    colours = write_samples(output / "samples.h5", model, order, images, absorbed)
    each = colours.reshape(len(known), order.count, *colours.shape[1:])
    pixel = model.card.pixel_size
    for old in (*output.glob(SLABS), *(output / name for name in MOSAIC)):
        old.unlink(missing_ok=True)
    if asked.plane is not None:
        section = laid(places, each[:, 0], pixel)
        draw_section(output / "part.png", near_plane(arrivals, asked.plane), section)
        write_image(output / MOSAIC[0], section.image)
        write_slab(output / MOSAIC[1], section.image, pixel, section.centre, places[0].along)
    else:
        draw_places(output / "part.png", arrivals, known, each, model.size * pixel)
        for number, (place, some) in enumerate(zip(known, each), 1):
            write_slab(output / SLABS.replace("*", str(number)), some[0], pixel, place.point,
                       place.along)
    replace_json(output / "places.json", [told(place) for place in places])


def told(place: Place) -> dict[str, Any]:
    """A place in SI units, and why there is no image of it, null where there is one."""
    power, speed, temperature = map(float, place.condition)
    return {"point": place.point.tolist(), "layer": place.layer, "distance": place.distance,
            "along": place.along.tolist(), "absorbed_power": place.absorbed, "power": power,
            "speed": speed, "initial_temperature": temperature, "refused": place.refused}
