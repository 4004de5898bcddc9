"""Temperature files as partsim melt writes them, of a pool in closed form."""

import h5py
import numpy as np

SOLIDUS, LIQUIDUS, COLD = 1650.0, 1723.0, 300.0
CONDUCTIVITY, DIFFUSIVITY, CORE = 30.0, 6e-6, 12e-6  # W/(m K), m^2/s, m


def moving(x, y, z, heat, speed):
    """Rosenthal's temperature of a point source of `heat` in W at the origin, its core blunted."""
    r = np.sqrt(x**2 + y**2 + z**2 + CORE**2)
    with np.errstate(under="ignore"):
        decay = np.exp(-speed * (r + x) / (2 * DIFFUSIVITY))
        return np.minimum(COLD + heat / (2 * np.pi * CONDUCTIVITY * r) * decay, 3000.0)


def shrinking(frame, heat):
    """The heat in W in frame 1, 2, ... after the laser: the core falls to 1720 K in ten frames and
    then by 1.1 K/us to 1500 K."""
    per_kelvin = 2 * np.pi * CONDUCTIVITY * CORE
    if frame <= 0:
        return heat
    small = per_kelvin * (1720.0 - COLD)
    if frame <= 10:
        return heat + (small - heat) * frame / 10
    return small - per_kelvin * 22.0 * (frame - 10)


def job_text(length, cell, more=""):
    return "\n".join([
        "[laser]", "power = 150.0", "speed = 0.8", "[track]", f"length = {length!r}", "[grains]",
        "margin = 4e-5", f"cell = {cell!r}", "width = 1.2e-4", "depth = 6.4e-5", more,
    ])


def write_pool(path, length=8e-5, cell=4e-6, heat=26.0, every=8e-6):
    """A track of `length` in m: a steady pool that moves, then shrinks."""
    speed, duration = 0.8, length / 0.8
    times = [n * every / speed for n in range(int(length / every) + 1)]
    while_on = len(times)
    times += [duration + 6e-5 * n for n in range(1, 11)]
    times += [times[-1] + 2e-5 * n for n in range(1, 11)]
    shape = (16, 30, 60)
    frames, corners, pools = [], [], []
    for n, time in enumerate(times):
        beam = min(time, duration) * speed
        first = int(np.floor(beam / cell)) - 44
        z, y, x = (np.indices(shape).T + 0.5).T * cell
        x = x + first * cell - beam
        y, z = y - shape[1] // 2 * cell, z - shape[0] * cell
        T = moving(x, y, z, shrinking(n - while_on + 1, heat), speed)
        frames.append(T.astype(np.float32))
        corners.append([first, -shape[1] // 2, -shape[0]])
        hot = T > LIQUIDUS
        pools.append([cell * hot.any(axis=axes).sum() for axes in ((0, 2), (1, 2), (0, 1))])
    with h5py.File(path, "w") as file:
        file.attrs.update({
            "format": "partsim temperature 1", "cell": cell, "initial_temperature": COLD,
            "solidus": SOLIDUS, "liquidus": LIQUIDUS, "power": 150.0, "absorbed_power": heat,
            "speed": speed, "length": length, "duration": duration, "job": "",
        })
        file["time"], file["corner"], file["pool"] = times, corners, np.array(pools)
        file["pool"].attrs["isotherm"] = LIQUIDUS
        file.create_dataset("temperature", data=np.array(frames), chunks=(1, *shape),
                            compression="gzip")
    return path
