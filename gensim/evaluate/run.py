"""The verb `gensim evaluate`: two domains compared, as JSON, Markdown and pictures."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from gensim.data.conditions import distinct_conditions
from gensim.data.sets import check_alike
from gensim.evaluate import channel, copies, frechet, report
from gensim.evaluate.compare import Choices, compared
from gensim.evaluate.domain import Domain
from gensim.evaluate.figures import draw_histograms, draw_overlays, draw_sheets
from gensim.evaluate.groups import halves, specimens
from partsim.errors import UserError
from partsim.wholefile import replace_json, replace_text

Features = Literal["efficientnet-lite0", "inception", "none"]
NO_FEATURES = "none"
FLOORS = 5  # random halves of the truth, condition by condition, for the mean Frechet distance
FLOOR_SEED = 0


class Order(NamedTuple):
    """What is compared, and how.

    truth, other, train  crops files; train: of which some taught a model, none: no search for
                         copies, and the projection of the features is fitted on the truth
    features             one of Features
    dimensions           that the features are projected on before a Frechet distance
    split                of the truth that counts, None: all of it
    """

    truth: list[Path]
    other: list[Path]
    train: list[Path]
    features: Features
    dimensions: int
    choices: Choices
    split: str | None = None


def fulfil(order: Order, folder: Path) -> dict[str, Any]:
    """Writes report.json, report.md and the pictures; returns the table."""
    truth, other = Domain.of(order.truth, order.split), Domain.of(order.other)
    known = Domain.of(order.train, "train") if order.train else None
    check_alike([file for domain in (truth, other, known) if domain for file in domain.crops.files])
    table = {"files": {"truth": list(map(str, order.truth)), "other": list(map(str, order.other))},
             "section": truth.crops.section, "pixel_size": truth.crops.pixel_size}
    table |= compared(truth, other, order.choices)
    if known is not None:
        table["copies"] = copied(truth, other, known)
    if order.features != NO_FEATURES:
        table["features"] = apart(truth, other, known, order.features, order.dimensions)
    draw_sheets(truth, other, folder / "sheet.png")
    draw_histograms(truth, other, folder / "histograms.png")
    draw_overlays(truth, other, folder / "overlays.png")
    replace_json(folder / "report.json", table)
    replace_text(folder / "report.md", report.text(table))
    return table


def copied(truth: Domain, other: Domain, known: Domain) -> dict[str, Any]:
    """Distances to the nearest crop trained with, see copies: their median and least."""
    mirrored = truth.crops.section == "cross"
    found = {name: copies.nearest(domain.labels, known.labels, mirrored)
             for name, domain in (("truth", truth), ("other", other))}
    return {name: {"median": float(np.median(values)), "least": float(values.min())}
            for name, values in found.items()}


def apart(
    truth: Domain, other: Domain, known: Domain | None, name: str, dimensions: int
) -> dict[str, Any]:
    """Frechet and kernel distances of the features `name`, and those of halves of the truth, of
    images `outlined`.

    known  whose principal axes the features are projected on, None: those of the truth

    Of one specimen there is no distance: its crops are no sample of what the process makes.
    """
    from gensim.evaluate.features import NAMES, features

    domains = [truth, other] + ([known] if known else [])
    a, b, *fitted = features(name, [channel.outlined(domain.labels) for domain in domains])
    projection = frechet.Projection.of(fitted[0] if fitted else a, dimensions)
    table: dict[str, Any] = {
        "name": NAMES[name], "dimensions": projection.axes.shape[1],
        "variance_kept": projection.share, "fitted_on": "train" if fitted else "truth",
        "images": [len(a), len(b)], "kernel": frechet.kernel_distance(a, b),
    }
    group = truth.groups(np.arange(len(truth)))
    if len(np.unique(specimens(truth.crops, truth.which))) < 2:
        return table | {"refused": "the truth is one specimen"}
    a, b = projection(a), projection(b)
    chance = np.random.default_rng(FLOOR_SEED)
    stratum = distinct_conditions(truth.conditions)[1]
    cuts = [halves(group, stratum, chance) for _ in range(FLOORS)]
    try:
        table["frechet"] = frechet.frechet(a, b)
        floors = [frechet.frechet(a[cut[0]], a[cut[1]]) for cut in cuts if cut is not None]
        table["floor"] = float(np.mean(floors)) if floors else None
    except UserError as problem:
        table["refused"] = str(problem)
    return table
