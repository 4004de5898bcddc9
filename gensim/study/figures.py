"""Pictures of a study: the errors of every row of its table, and crops of held-out conditions."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gensim.data.sets import evenly
from gensim.evaluate.figures import save
from gensim.study.tables import FRECHET, MEANS

COLUMNS = 8  # crops of each row


def draw_errors(held_out: dict[str, dict[str, list[float | None]]], path: Path) -> None:
    """Writes a PNG: errors of means, per cent or degrees, and Frechet distances on held-out
    conditions as bars, with the standard deviation over seeds.

    held_out  row -> quantity -> [mean, standard deviation], as tables.tabulated gives it
    """
    names = list(held_out)
    shown = [quantity for quantity in (*MEANS, FRECHET)
             if any(row[quantity][0] is not None for row in held_out.values())]
    figure = Figure(figsize=(2.2 * len(shown) + 1, 0.35 * len(names) + 1.2), layout="constrained")
    places = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for place, quantity in zip(places, shown):
        pairs = [held_out[name].get(quantity, [None, None]) for name in names]
        mean, deviation = np.array(pairs, dtype=float).T
        place.barh(names, mean, xerr=deviation, color="#20639b", error_kw={"lw": 0.8})
        unit = "\n/ degrees" if "inclination" in quantity else "\n/ %" * (quantity in MEANS)
        place.set_xlabel(quantity + unit)
    figure.axes[0].invert_yaxis()
    save(figure, path)


def draw_crops(shown: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """Writes a PNG: under each held-out condition a row of crops for each maker.

    shown  condition -> maker -> (n, h, h, 3)
    """
    lines = sum(map(len, shown.values()))
    figure = Figure(figsize=(COLUMNS * 1.1 + 1.5, lines * 1.15 + 0.4 * len(shown)),
                    layout="constrained")
    heights = [len(makers) for makers in shown.values()]
    parts = figure.subfigures(len(shown), 1, squeeze=False, height_ratios=heights)
    for part, (condition, makers) in zip(parts[:, 0], shown.items()):
        part.suptitle(condition, fontsize=9)
        for row, (maker, images) in zip(part.subplots(len(makers), COLUMNS, squeeze=False),
                                        makers.items()):
            for place in row:
                place.set(xticks=[], yticks=[])
                place.set_frame_on(False)
            row[0].set_ylabel(maker, rotation=0, ha="right", va="center", fontsize=8)
            for place, image in zip(row, images[evenly(len(images), COLUMNS)]):
                place.imshow(image, interpolation="nearest")
    save(figure, path)
