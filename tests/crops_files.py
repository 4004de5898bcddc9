"""Small crops files for tests: Voronoi maps whose grains grow with the power, one colour each."""
import numpy as np

from gensim.data.crops import write_crops

COLOURS = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [255, 0, 255], [0, 255, 255]], np.uint8
)

ANGLES = np.arange(len(COLOURS)) / 10
ORIENTATIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES), 0 * ANGLES, 0 * ANGLES], axis=1)


def voronoi(size, seeds, chance):
    """(size, size) the number of the nearest seed, of `seeds` orientations at random."""
    points = chance.random((seeds, 2)) * size
    owner = chance.integers(0, len(COLOURS), seeds)
    grid = np.stack(np.meshgrid(*[np.arange(size) + 0.5] * 2, indexing="ij"), axis=-1)
    return owner[((grid[:, :, None] - points) ** 2).sum(-1).argmin(-1)].astype(np.int32)


def crops_data(size=16, cases=4, runs=3, per_run=4):
    """Datasets of cases of different power and speed; the last case is held out, and of each of the
    others the last run, the run before it validating."""
    chance, rows = np.random.default_rng(1), []
    for case in range(cases):
        for run in range(runs):
            split = "held_out" if case == cases - 1 or run == runs - 1 else "train"
            split = "validation" if split == "train" and run == runs - 2 else split
            for number in range(per_run):
                grains = voronoi(size, 12 - 2 * case, chance)
                rows.append((case, run, number, split, grains))
    case, run, number, split, grains = (np.array(column) for column in zip(*rows, strict=True))
    unknown = np.full(len(case), np.nan)
    return {
        "grains": grains,
        "images": COLOURS[grains],
        "orientations": ORIENTATIONS,
        "power": 100.0 + 25 * case,
        "speed": 0.5 + 0.1 * (case % 2),
        "initial_temperature": 300.0 + 100 * (run % 2),
        "absorbed_power": unknown,
        "position": number * 1e-5,
        "case": case,
        "run": run,
        "seed": case + 10 * run,
        "domain": np.array(["simulation"] * len(case)),
        "split": split,
    }


def write_small(path, section="cross", pixel_size=2e-6, drop=(), **changes):
    """Writes a small file with some datasets changed or left out; its path."""
    shape = {name: changes.pop(name) for name in ("size", "cases", "runs", "per_run")
             if name in changes}
    data = {**crops_data(**shape), **changes}
    kept = {name: values for name, values in data.items() if name not in drop}
    write_crops(path, kept, {"section": section, "pixel_size": pixel_size})
    return path
