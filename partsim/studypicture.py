"""The conditions of a study in the plane of speed and power, with its window."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from partsim.study import Study, Window
from partsim.wholefile import explained

MARKS = {"train": "o", "validation": "s", "held_out": "^"}


def draw_study(study: Study, path: Path) -> None:
    """Draws power over speed as PNG, as in Figure 5c of Xie et al. (2026); colour: temperature.

    Raises UserError where the file cannot be written.
    """
    figure = Figure(figsize=(5, 3.8), layout="constrained")
    axes = figure.subplots()
    speed, power, temperature = (np.array(values) for values in zip(*(
        (case.speed, case.power, case.initial_temperature) for case in study.cases
    )))
    for split, mark in MARKS.items():
        chosen = np.array([case.split == split for case in study.cases])
        if chosen.any():
            dots = axes.scatter(
                speed[chosen], power[chosen], c=temperature[chosen], marker=mark, label=split,
                cmap="inferno", vmin=300, vmax=max(700, temperature.max()),
            )
    if np.ptp(temperature):
        figure.colorbar(dots, label="initial temperature (K)")
    if study.window is not None:
        _draw_window(axes, study.window, np.linspace(speed.min(), speed.max(), 50))
    axes.set_xlabel("speed (m/s)")
    axes.set_ylabel("power (W)")
    axes.set_ylim(0.9 * power.min(), 1.1 * power.max())
    axes.legend(fontsize=8)
    explained(path, lambda: figure.savefig(path, format="png", dpi=150))


def _draw_window(axes: Axes, window: Window, speed: np.ndarray) -> None:
    """The lines of the lowest and the highest energy density."""
    for bound in (window.lowest, window.highest):
        axes.plot(speed, bound * speed * window.hatch * window.thickness, "k--", linewidth=0.8,
                  label=f"{bound * 1e-9:g} J/mm$^3$")
