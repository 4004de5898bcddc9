"""The metal after a track, from which a run that was killed goes on bit for bit."""

import json
from pathlib import Path

import h5py
import numpy as np

from partsim.grains.layers import Metal
from partsim.wholefile import write_whole

FORMAT = "partsim grains checkpoint 1"
NAME = "checkpoint.h5"


def save(folder: Path, metal: Metal, identity: str, state: dict) -> None:
    """Replaces the checkpoint; identity: of job and temperature; state: what JSON can hold."""

    def fill(file: h5py.File) -> None:
        file.attrs.update({"format": FORMAT, "identity": identity, "state": json.dumps(state)})
        for name in ("grain", "melted"):
            file.create_dataset(name, data=getattr(metal, name), compression="gzip",
                                compression_opts=1, shuffle=True, fletcher32=True)
        file["labels"] = metal.labels

    write_whole(folder / NAME, fill)


def load(folder: Path, metal: Metal, identity: str) -> dict | None:
    """Puts a checkpoint into the metal; its state, or None without one of the same identity."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT or file.attrs["identity"] != identity:
                return None
            state = json.loads(file.attrs["state"])
            arrays = [file[name][()] for name in ("grain", "melted", "labels")]
    except (OSError, KeyError):
        return None
    metal.grain, metal.melted, metal.labels = arrays[0], arrays[1], np.asarray(arrays[2])
    return state
