"""The verb `gensim predict`: conditions at places of a part, images drawn for them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gensim.model.folder import Model, load
from gensim.predict.picture import draw
from gensim.predict.places import Place, place_at, read_arrivals
from gensim.predict.volume import write_slab
from gensim.ranks import joined
from gensim.sample.draw import Order, drawn, write_samples
from partsim.schema import require
from partsim.wholefile import replace_json


def predict(
    run: Path, model_folder: Path, points: list[np.ndarray], power: float, order: Order,
    output: Path,
) -> None:
    """Writes samples.h5, part.png, place_N.vtkhdf and places.json.

    order  what is drawn at each place; its conditions are those of the places
    """
    with joined() as ranks:
        arrivals = ranks.together(lambda: read_arrivals(run))
        places = ranks.together(lambda: [place_at(arrivals, point, power) for point in points])
        asked = replace(order, conditions=np.stack([place.condition for place in places]))
        model = ranks.together(lambda: load(model_folder))
        ranks.together(lambda: check(model_folder, model, asked))
        images = drawn(model, asked, ranks)

        def write() -> None:
            shown = write_samples(output / "samples.h5", model, asked, images)
            each = shown.reshape(len(places), asked.count, *shown.shape[1:])
            draw(output / "part.png", arrivals, places, each)
            for number, (place, some) in enumerate(zip(places, each), 1):
                write_slab(output / f"place_{number}.vtkhdf", some[0], model.card.pixel_size,
                           place.point)
            replace_json(output / "places.json", [told(place) for place in places])

        ranks.on_first(write)


def check(folder: Path, model: Model, asked: Order) -> None:
    """UserError where the model cannot draw what is asked for, or shows sections along the scan."""
    asked.check(model)
    section = model.card.section
    require(section == "cross", f"{folder}: section", section, "cross: images are set across x")


def told(place: Place) -> dict[str, Any]:
    """A place in SI units."""
    power, speed, temperature = map(float, place.condition)
    return {"point": place.point.tolist(), "layer": place.layer, "distance": place.distance,
            "absorbed_power": place.absorbed, "power": power, "speed": speed,
            "initial_temperature": temperature}
