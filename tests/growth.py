"""Grains in temperatures that are known in closed form."""

import numpy as np


class Even:
    """The same temperature everywhere, at all times."""

    def __init__(self, kelvin):
        self.kelvin = kelvin

    def hottest(self, number, grid):
        return np.full(grid.shape, self.kelvin)

    def sample(self, number, grid, blocks):
        out = np.zeros((len(blocks), 10, 10, 10), np.float32)
        for values, (x, y, z) in zip(out, grid.valid_of(blocks)):
            values[1:z + 1, 1:y + 1, 1:x + 1] = self.kelvin
        return out.reshape(len(blocks), 1000)


def run(law, heat, epochs, steps):
    """So many steps in each of so many epochs; every block that the rule allows is updated."""
    for epoch in range(epochs):
        alive = law.alive(heat.hottest(epoch, law.grid))
        law.begin(alive, heat, epoch)
        for step in range(steps):
            law.step(step / steps, epoch * steps + step, step == steps - 1)
        law.end()
