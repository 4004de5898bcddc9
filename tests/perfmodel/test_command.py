"""The verbs of perfmodel: what they refuse, in one line and before any work."""
import json
import subprocess
import sys

import pytest

from partsim.command import execute
from partsim.errors import UserError
from perfmodel.command import app

CUBE = "jobs/cube_small.toml"


def refusal(*words):
    """The line with which a verb refuses."""
    with pytest.raises(UserError) as refused:
        execute(list(map(str, words)), "perfmodel", app)
    return str(refused.value)


def test_missing_job():
    assert "nowhere.toml" in refusal("kernels", "nowhere.toml")


def test_layer_that_the_job_lacks(tmp_path):
    line = refusal("kernels", CUBE, "--layer", 99, "--output", tmp_path)
    assert line == f"--layer 99, but {CUBE} has 24 layers"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["roofline", "report"])
def test_folder_without_measurements(verb, tmp_path):
    assert refusal(verb, tmp_path / "absent") == f"{tmp_path / 'absent'} does not exist"
    assert refusal(verb, tmp_path) == f"{tmp_path / 'kernels.json'} does not exist"
    (tmp_path / "kernels.json").write_text("[{")
    assert refusal(verb, tmp_path).startswith(f"{tmp_path / 'kernels.json'} cannot be read: ")
    (tmp_path / "kernels.json").write_text(json.dumps([]))
    assert "machine.toml" in refusal(verb, tmp_path)


def test_unknown_verb():
    assert "kernel" in refusal("kernle", CUBE)


@pytest.mark.serial
def test_a_mistake_is_one_line_and_status_2():
    done = subprocess.run([sys.executable, "-m", "perfmodel", "report", "absent"],
                          capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "perfmodel: absent does not exist\n"
