"""What is odd in the scan paths of a layer: facts and findings, never a refusal."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from partsim.part.scan import ScanPath

Inside = Callable[[np.ndarray], np.ndarray]
USUAL_SPEED = (0.01, 20.0)  # m/s
USUAL_POWER = (1.0, 5000.0)  # W
USUAL_EXTENT = (1e-5, 1.0)  # m
SAMPLES = np.linspace(0, 1, 9)[:, None, None]  # places along a segment
DIGITS = 9  # decimals of a metre: places nearer than that are equal
MILLI = 1e3


def facts(paths: Sequence[ScanPath]) -> dict[str, Any]:
    """Sizes of a layer, each as {value, unit}: sums over the lasers, times on the common clock."""
    length = np.concatenate([lengths(path) for path in paths])
    spent = np.concatenate([np.diff(path.times) for path in paths])
    power = np.concatenate([path.power for path in paths])
    on = power > 0
    ends = np.concatenate([path.ends for path in paths])
    time_on = float(spent[on].sum())
    scanned = float(length[on].sum())
    begin, end = min(p.times[0] for p in paths), max(p.times[-1] for p in paths)
    return {
        "lasers": len(paths),
        "segments": int(on.sum()),
        "jumps": int((~on).sum()),
        "duration": measured(float(end - begin), "s"),
        "laser_on": measured(time_on, "s"),
        "length_scanned": measured(scanned, "m"),
        "mean_speed": measured(scanned / time_on if time_on else 0.0, "m/s"),
        "energy": measured(sum(path.energy() for path in paths), "J"),
        "lowest": measured(ends.min(axis=0).tolist(), "m"),
        "highest": measured(ends.max(axis=0).tolist(), "m"),
    }


def measured(value: object, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit}


def lengths(path: ScanPath) -> np.ndarray:
    """m, of each segment."""
    return np.linalg.norm(np.diff(path.ends, axis=0), axis=1)


def findings(paths: Sequence[ScanPath], inside: Inside | None = None) -> list[str]:
    """Lines about what is odd, each with a count and the first place.

    inside  tells which points (..., 3) lie in the part; None: that is not looked at
    """
    found = []
    for number, path in enumerate(paths, 1):
        laser = f"laser {number}: " if len(paths) > 1 else ""
        for what, wrong in suspects(path, inside).items():
            if wrong.any():
                found.append(f"{laser}{int(wrong.sum())} {what}; the first is "
                             + place(path, int(np.argmax(wrong))))
    return found + list(odd_sizes(paths)) + list(overlaps(paths))


def suspects(path: ScanPath, inside: Inside | None) -> dict[str, np.ndarray]:
    """Which segments (n,) are odd in which way."""
    on, length, spent = path.power > 0, lengths(path), np.diff(path.times)
    before = np.append(False, on[:-1])
    after = np.append(on[1:], False)
    still = length == 0
    speed = np.divide(length, spent, out=np.zeros_like(length), where=spent > 0)
    usual = np.median(speed[on]) if on.any() else 0.0
    odd = {
        "jumps between scanned segments take no time": ~on & ~still & (spent == 0) & before & after,
        "segments move at the scanning speed with no power":
            ~on & ~still & (np.abs(speed - usual) <= 1e-6 * usual),
        "points are there twice": still & (spent == 0),
        "segments are scanned more than once": scanned_again(path, on & ~still),
    }
    if inside is not None:
        odd["scanned segments leave the part"] = leaves(path, on, inside)
    return odd


def scanned_again(path: ScanPath, on: np.ndarray) -> np.ndarray:
    """Which of the segments that are on repeat an earlier one, in either direction."""
    ends = np.round(path.ends, DIGITS)
    # both directions of a segment must look alike: the end that is lower in x, then y, z is first
    pairs = np.stack([ends[:-1], ends[1:]], axis=1)
    way = pairs[:, 1] - pairs[:, 0]
    first = np.argmax(way != 0, axis=1)
    swap = way[np.arange(len(way)), first] < 0
    pairs[swap] = pairs[swap, ::-1]
    again = np.zeros(len(on), dtype=bool)
    places = np.flatnonzero(on)
    if places.size:
        _, earliest = np.unique(pairs[places].reshape(-1, 6), axis=0, return_index=True)
        again[np.delete(places, earliest)] = True
    return again


def leaves(path: ScanPath, on: np.ndarray, inside: Inside) -> np.ndarray:
    """Which of the segments that are on have a place outside the part, nine places each."""
    begin, end = path.ends[:-1][on], path.ends[1:][on]
    outside = np.zeros(len(on), dtype=bool)
    points = np.round(begin + SAMPLES * (end - begin), DIGITS)
    outside[on] = ~inside(points).all(axis=0)
    return outside


def place(path: ScanPath, segment: int) -> str:
    """Where a segment begins, in words."""
    x, y, _ = MILLI * path.ends[segment]
    return f"segment {segment} at x = {x:.6g} mm, y = {y:.6g} mm, t = {path.times[segment]:.6g} s"


def odd_sizes(paths: Sequence[ScanPath]) -> Iterator[str]:
    """Lines about speeds, powers and extents that look like another unit."""
    sizes = facts(paths)
    power = np.concatenate([path.power[path.power > 0] for path in paths])
    extent = max(np.subtract(sizes["highest"]["value"], sizes["lowest"]["value"]).tolist())
    looked = [
        ("mean speed", sizes["mean_speed"]["value"], USUAL_SPEED, "m/s"),
        ("median power", float(np.median(power)) if power.size else 0.0, USUAL_POWER, "W"),
        ("extent", extent, USUAL_EXTENT, "m"),
    ]
    for name, value, (low, high), unit in looked:
        if not low <= value <= high:
            yield f"the {name} is {value:.4g} {unit}, usual is {low:g} to {high:g}: wrong unit?"


def overlaps(paths: Sequence[ScanPath]) -> Iterator[str]:
    """A line about the time in which several lasers are on."""
    change = []
    for path in paths:
        on = np.flatnonzero(path.power)
        change += [(t, 1) for t in path.times[on]] + [(t, -1) for t in path.times[on + 1]]
    lasers, before, together, first = 0, 0.0, 0.0, None
    for t, step in sorted(change):
        if lasers > 1:
            together += t - before
            first = before if first is None and t > before else first
        lasers, before = lasers + step, t
    if first is not None:
        yield f"several lasers are on for {together:.4g} s; first at t = {first:.6g} s"
