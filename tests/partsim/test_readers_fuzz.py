"""Damaged scan-path files: a path or one line of UserError, in a second and little memory.

READER_MUTATIONS sets how many inputs each reader is given.
"""
import os
import random
import time
import tracemalloc

import pytest

from partsim.errors import UserError
from partsim.part.readers import Given, read
from tests.scan_files import FILES, sampled_line, xypt

COUNT = int(os.environ.get("READER_MUTATIONS", "200"))
SECONDS, BYTES = 1.0, 100_000_000
INSERTED = [
    b"nan", b"inf", b"-", b"1e999", b"4000000000", b"99999999999999999999", b"\0", b"\xff\xff",
    b"\xff\xff\xff\x7f", b"\n", b",", b"(", b"$$", b"/", b"(um)", b"G91 ", b"G20 ", b"M3", b"Mode",
    b"X1e9", b"\"", b"'" * 50, b"0" * 3000, b"\xc3\xa9", b"\xe2\x80\xa8", b"\x1c",
]
FORMAT = {"gcode": "gcode", "txt": "ornl", "cli": "cli", "csv": "csv", "h5": "xypt"}
INPUTS = FILES | {"a.h5": xypt({"1": sampled_line(), "2": sampled_line()})}


def flipped(data, chance):
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def truncated(data, chance):
    return data[:chance.randrange(len(data))]


def inserted(data, chance):
    place = chance.randrange(len(data))
    return data[:place] + chance.choice(INSERTED) + data[place:]


def overwritten(data, chance):
    """Four or eight bytes become a huge or an odd number."""
    place = chance.randrange(len(data))
    value = chance.choice(
        [b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f", b"\xff" * 8, b"\0" * 8]
    )
    return data[:place] + value + data[place + len(value):]


def rearranged(data, chance):
    """A piece is repeated elsewhere."""
    begin, end = sorted(chance.randrange(len(data)) for _ in range(2))
    place = chance.randrange(len(data))
    return data[:place] + data[begin:end] + data[place:]


def digits_grown(data, chance):
    """A digit becomes a number of another size."""
    places = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    place = chance.choice(places)
    return data[:place] + str(10 ** chance.randint(1, 30)).encode() + data[place + 1:]


MUTATIONS = [flipped, truncated, inserted, overwritten, rearranged, digits_grown]


@pytest.mark.serial
@pytest.mark.parametrize("name", INPUTS)
def test_damaged_files_end_in_a_path_or_one_line(tmp_path, name):
    chance, refused = random.Random(name), 0
    file = tmp_path / name
    for number in range(COUNT):
        data = chance.choice(MUTATIONS)(INPUTS[name], chance)
        file.write_bytes(data)
        tracemalloc.start()
        began = time.process_time()
        try:
            found = read(file, FORMAT[name.split(".")[1]], Given(power=200.0, speed=1.0))
            assert all(layer.paths for layer in found.layers)
        except UserError as problem:
            refused += 1
            assert len(str(problem).splitlines()) == 1 and file.name in str(problem), data
        finally:
            spent, used = time.process_time() - began, tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert spent < SECONDS and used < BYTES, (number, spent, used)
    assert 0.1 * COUNT < refused < COUNT
