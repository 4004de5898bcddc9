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
        places = ranks.together(lambda: found(arrivals, model, asked))
        refused = ranks.together(lambda: refusals(model, order, places, asked.plane is not None))
        known = [place for place, refusal in zip(places, refused) if refusal is None]
        order = replace(order, conditions=np.stack([place.condition for place in known]))
        images = drawn(model, order, ranks)
        ranks.on_first(lambda: write(arrivals, model, asked, order, (places, refused), images,
                                     output))


def found(arrivals: Arrivals, model: Model, asked: Asked) -> list[Place]:
    """The places that are asked for."""
    width = model.size * model.card.pixel_size
    if asked.plane is None:
        return [place_at(arrivals, point, asked.power, width) for point in asked.points]
    points, beside = tiles(arrivals, asked.plane, width), near_plane(arrivals, asked.plane)
    return [place_at(beside, point, asked.power, width) for point in points]


def check_section(folder: Path, model: Model) -> None:
    """UserError where the model shows sections along the scan."""
    section = model.card.section
    require(section == "cross", f"{folder}: section", section,
            "cross: images are set across the lines of the scan")


def refusals(
    model: Model, order: Order, places: list[Place], some: bool
) -> list[str | None]:
    """Why the model cannot draw each place; UserError where that leaves none, or, unless `some`
    suffice, for the first."""
    found: list[str | None] = []
    for place in places:
        try:
            replace(order, conditions=place.condition[None]).check(model)
            found.append(None)
        except UserError as problem:
            found.append(f"at {shown(place.point)}, layer {place.layer}: {problem}")
    first = next(filter(None, found), None)
    if first is not None and not (some and None in found):
        raise UserError(first)
    return found


def write(
    arrivals: Arrivals, model: Model, asked: Asked, order: Order,
    places: tuple[list[Place], list[str | None]], images: np.ndarray, output: Path,
) -> None:
    """All files; the slabs and sections of an earlier call are gone.

    places  all, and why some have no images
    """
    every, refused = places
    can = np.array([refusal is None for refusal in refused])
    known = [place for place, drawn_for in zip(every, can) if drawn_for]
    absorbed = np.array([place.absorbed for place in known])
    colours = write_samples(output / "samples.h5", model, order, images, absorbed)
    each = colours.reshape(len(known), order.count, *colours.shape[1:])
    pixel = model.card.pixel_size
    for old in (*output.glob(SLABS), *(output / name for name in MOSAIC)):
        old.unlink(missing_ok=True)
    if asked.plane is not None:
        section = laid(every, can, each[:, 0], pixel)
        draw_section(output / "part.png", near_plane(arrivals, asked.plane), section)
        write_image(output / MOSAIC[0], section.image)
        write_slab(output / MOSAIC[1], section.image, pixel, section.centre, every[0].along)
    else:
        draw_places(output / "part.png", arrivals, known, each, model.size * pixel)
        for number, (place, some) in enumerate(zip(known, each), 1):
            write_slab(output / SLABS.replace("*", str(number)), some[0], pixel, place.point,
                       place.along)
    replace_json(output / "places.json", [told(place, refusal)
                                          for place, refusal in zip(every, refused)])


def told(place: Place, refusal: str | None) -> dict[str, Any]:
    """A place in SI units, and why there is no image of it, null where there is one."""
    power, speed, temperature = map(float, place.condition)
    return {"point": place.point.tolist(), "layer": place.layer, "distance": place.distance,
            "along": place.along.tolist(), "absorbed_power": place.absorbed, "power": power,
            "speed": speed, "initial_temperature": temperature, "refused": refusal}
