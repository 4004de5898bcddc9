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


def write_first(comm, path, text):
    """A file that all ranks see, written by one."""
    if comm.rank == 0:
        path.write_text(text)
    comm.Barrier()


@pytest.mark.parametrize("verb", ["roofline", "report"])
def test_folder_without_measurements(verb, comm, shared_tmp):
    records = shared_tmp / "kernels.json"
    assert refusal(verb, shared_tmp / "absent") == f"{shared_tmp / 'absent'} does not exist"
    assert refusal(verb, shared_tmp) == f"{records} does not exist"
    comm.Barrier()
    write_first(comm, records, "[{")
    assert refusal(verb, shared_tmp).startswith(f"{records} cannot be read: ")
    comm.Barrier()
    write_first(comm, records, json.dumps([]))
    assert "machine.toml" in refusal(verb, shared_tmp)


def test_unknown_verb():
    assert "kernel" in refusal("kernle", CUBE)


@pytest.mark.serial
def test_a_mistake_is_one_line_and_status_2():
    done = subprocess.run([sys.executable, "-m", "perfmodel", "report", "absent"],
                          capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "perfmodel: absent does not exist\n"
