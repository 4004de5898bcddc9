"""Checkpoints: exact, whole or absent, readable on other ranks, and damage is noticed."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from partsim.errors import UserError
from partsim.output.checkpoint import (
    Checkpoint, latest, load_blocks, load_header, load_rows, save,
)
from partsim.output.snapshot import write_snapshot
from tests.blocks import share
from tests.processes import environment_outside_mpi

pytestmark = pytest.mark.pair

BLOCKS = 11
OWN = {  # the blocks of each rank
    1: [range(11)], 2: [[0, 2, 3, 6], [1, 4, 5, 7, 8, 9, 10]],
    3: [[0, 2, 3, 6], [], [1, 4, 5, 7, 8, 9, 10]],
}
EVERY = np.arange(BLOCKS)


def bits(shape, seed):
    """Arbitrary finite doubles, from the smallest to the largest, and both zeros."""
    words = np.random.default_rng(seed).integers(0, 2**64, shape, dtype=np.uint64)
    values = words.view(np.float64).reshape(shape)
    values[~np.isfinite(values)] = -0.0
    return values


def whole():
    """The arrays over all blocks."""
    nodes = {"temperature": bits((BLOCKS, 5, 5, 5), 1), "shifted": bits((BLOCKS, 5, 5, 5), 2)}
    cells = {"consolidated": bits((BLOCKS, 4, 4, 4), 3), "melted": bits((BLOCKS, 2), 4) > 0}
    return nodes, cells


def rows(comm):
    return np.array(OWN[comm.size][comm.rank], int)


def state(comm, step=17):
    nodes, cells = whole()
    mine = rows(comm)
    return Checkpoint(
        own=mine,
        header={"job": "[part]\nshape = \"box\"\n", "step": step, "energy": [0.1, 1 / 3, 1e-300]},
        blocks={"corner": np.arange(3 * BLOCKS).reshape(-1, 3), "level": np.arange(BLOCKS) % 3},
        nodes={name: array[mine] for name, array in nodes.items()},
        cells={name: array[mine] for name, array in cells.items()},
    )


def same_bits(left, right):
    assert left.dtype == right.dtype and left.shape == right.shape
    assert left.tobytes() == right.tobytes()


def test_everything_comes_back_bit_for_bit(comm, shared_tmp):
    written = state(comm)
    path = save(comm, shared_tmp / "checkpoints", "layer_0003", written)
    assert path == latest(shared_tmp / "checkpoints")
    header, owner = load_header(path)
    assert header == written.header
    np.testing.assert_array_equal(np.flatnonzero(owner == comm.rank), rows(comm))
    nodes, cells = load_rows(path, rows(comm))
    for loaded, stored in (nodes, written.nodes), (cells, written.cells):
        assert loaded.keys() == stored.keys()
        for name in stored:
            same_bits(loaded[name], stored[name])
    blocks = load_blocks(path)
    for name in written.blocks:
        same_bits(blocks[name], written.blocks[name])


@pytest.mark.parametrize("some", [range(11), range(3, 9), [10], [], [0, 1, 4, 6, 7, 10]], ids=str)
def test_rows_do_not_depend_on_who_wrote_them(comm, shared_tmp, some):
    path, some = save(comm, shared_tmp, "x", state(comm)), np.array(some, int)
    nodes, cells = load_rows(path, some)
    for loaded, stored in zip((nodes, cells), whole()):
        for name in stored:
            same_bits(loaded[name], stored[name][some])


def test_newest_two_are_kept_and_numbers_go_on(comm, shared_tmp):
    paths = [save(comm, shared_tmp, f"layer_{n:04d}", state(comm, n)) for n in (1, 2, 9, 3)]
    comm.Barrier()
    assert sorted(shared_tmp.iterdir()) == sorted(paths[-2:])
    assert latest(shared_tmp) == paths[-1]
    assert load_header(latest(shared_tmp))[0]["step"] == 3


def test_no_checkpoint_at_all(tmp_path):
    assert latest(tmp_path / "absent") is None
    (tmp_path / "notes.checkpoint.h5").write_text("not ours")
    assert latest(tmp_path) is None
    with pytest.raises(UserError, match="no such checkpoint"):
        load_header(tmp_path / "gone.h5")


def test_folder_that_cannot_be_made_is_an_error_everywhere(comm, shared_tmp):
    if comm.rank == 0:
        (shared_tmp / "file").write_text("")
    comm.Barrier()
    with pytest.raises(UserError, match="cannot write .*: Not a directory|File exists"):
        save(comm, shared_tmp / "file" / "below", "x", state(comm))


def damaged(comm, directory, spoil):
    """A checkpoint whose bytes were changed by `spoil`."""
    path = save(comm, directory, "x", state(comm))
    comm.Barrier()
    if comm.rank == 0:
        content = bytearray(path.read_bytes())
        path.write_bytes(spoil(content))
    comm.Barrier()
    return path


def cut_in_half(content):
    return content[: len(content) // 2]


def flip_a_stored_value(content):
    place = content.index(whole()[0]["temperature"][2].tobytes()[:64])
    content[place + 9] ^= 4
    return content


def forget_everything(content):
    return b"\0" * len(content)


@pytest.mark.parametrize("spoil", [cut_in_half, flip_a_stored_value, forget_everything])
def test_damage_is_one_line_that_names_the_file(comm, shared_tmp, spoil):
    path = damaged(comm, shared_tmp, spoil)
    with pytest.raises(UserError) as caught:
        load_header(path)
        load_rows(path, EVERY)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_every_truncation_is_noticed(comm, shared_tmp):
    path = save(comm, shared_tmp, "x", state(comm))
    comm.Barrier()
    content = path.read_bytes()
    short = shared_tmp / f"short_{comm.rank}.h5"
    for length in np.linspace(0, len(content) - 1, 23, dtype=int):
        short.write_bytes(content[:length])
        with pytest.raises(UserError, match="short"):
            load_header(short)


def test_no_flipped_bit_passes(comm, shared_tmp):
    """Wherever it is: in the values, in what HDF5 keeps about them, or in the checksums."""
    path = save(comm, shared_tmp, "x", state(comm))
    comm.Barrier()
    content, random = path.read_bytes(), np.random.default_rng(comm.rank)
    spoilt = shared_tmp / f"spoilt_{comm.rank}.h5"
    for place in random.integers(0, len(content), 200):
        changed = bytearray(content)
        changed[place] ^= 1 << random.integers(8)
        spoilt.write_bytes(changed)
        with pytest.raises(UserError, match="spoilt.* is damaged"):
            load_rows(spoilt, EVERY)


def test_snapshot_is_no_checkpoint(comm, shared_tmp):
    write_snapshot(comm, shared_tmp / "x.hdf", share(comm), 0.0)
    comm.Barrier()
    with pytest.raises(UserError, match="x.hdf is not a checkpoint of this version"):
        load_header(shared_tmp / "x.hdf")


KILLED = """
import os, signal, sys
from partsim.parallel import world
from partsim.output import checkpoint, shared_file
from tests.partsim.test_checkpoint import state
from pathlib import Path

directory, moment = Path(sys.argv[1]), sys.argv[2]
checkpoint.save(world(), directory, "good", state(world(), step=1))

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

write, written = shared_file.write_at, []

def write_some(*arguments):
    write(*arguments)
    written.append(arguments)
    if len(written) == {"layout": 1, "rows": 8}[moment]:
        die()

if moment == "renaming":
    os.replace = die
else:
    shared_file.write_at = write_some
checkpoint.save(world(), directory, "bad", state(world(), step=2))
"""


@pytest.mark.serial
@pytest.mark.parametrize("moment", ["layout", "rows", "renaming"])
def test_killed_while_writing_leaves_the_one_before(comm, tmp_path, moment):
    command = [sys.executable, "-c", KILLED, str(tmp_path), moment]
    ended = subprocess.run(
        command, env=environment_outside_mpi(), capture_output=True, timeout=60
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert list(tmp_path.glob("*.partial"))
    path = latest(tmp_path)
    assert path.name == "000001_good.checkpoint.h5"
    nodes, _ = load_rows(path, EVERY)
    same_bits(nodes["temperature"], whole()[0]["temperature"])
    newer = save(comm, tmp_path, "next", state(comm, step=2))
    assert sorted(tmp_path.iterdir()) == sorted([path, newer])
