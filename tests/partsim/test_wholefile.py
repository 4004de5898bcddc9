"""Reports are JSON that any program reads, whole or absent."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from partsim.errors import UserError
from partsim.wholefile import replace_json

pytestmark = pytest.mark.serial


def refuse(name):
    """What JSON's grammar does not have and Python reads nevertheless."""
    raise AssertionError(name)


def test_numbers_that_json_has_not_are_null(tmp_path):
    tree = {"a": [1.5, float("nan"), (np.float64("inf"),)], "b": {"c": True, "d": Path("x")},
            "n": [np.int64(3), np.float32("nan"), np.bool_(True)]}
    replace_json(tmp_path / "r.json", tree)
    found = json.loads((tmp_path / "r.json").read_text(), parse_constant=refuse)
    assert found == {"a": [1.5, None, [None]], "b": {"c": True, "d": "x"}, "n": [3, None, True]}
    assert tree["a"][1] != tree["a"][1]  # what is reported stays as it was


def test_former_report_stays_where_the_disk_refuses(tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    replace_json(path, 1)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("partsim.wholefile.os.fsync", full)
    with pytest.raises(UserError, match="cannot write .*r.json: No space left on device"):
        replace_json(path, 2)
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"] and path.read_text() == "1\n"


def test_links_and_pipes_are_written_through(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    replace_json(tmp_path / "link", 3)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "3\n"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    replace_json(tmp_path / "pipe", 4)
    assert os.read(reader, 9) == b"4\n"
    os.close(reader)
