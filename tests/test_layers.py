"""The architecture: imports follow the data flow, and libraries stay where they belong."""
import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STAGES = {
    "__init__": 0,
    "errors": 0,
    "fastmath": 0,
    "compiled": 0,
    "prefetch": 0,
    "work": 0,
    "units": 0,
    "lines": 0,
    "schema": 0,
    "surface": 0,
    "wholefile": 0,
    "writable": 0,
    "job": 0,
    "growjob": 0,
    "trackjob": 0,
    "study": 0,
    "crops": 0,
    "grouping": 0,
    "jobcheck": 0,
    "fields": 0,
    "clock": 0,
    "parallel": 0,
    "timers": 0,
    "ledger": 0,
    "laplacian": 0,
    "part": 1,
    "mesh": 2,
    "thermal": 3,
    "phase": 4,
    "output": 5,
    "build": 6,
    "launch": 6,
    "meltpool": 6,
    "grains": 6,
    "plan": 6,
    "estimate": 6,
    "dealing": 6,
    "macrostep": 6,
    "program": 6,
    "site": 6,
    "grouped_scan": 6,
    "studypicture": 6,
    "info": 6,
    "scancheck": 6,
    "export": 6,
    "files": 6,
    "validation": 6,
    "verbs": 7,
    "trackcommand": 8,
    "command": 9,
    "__main__": 9,
}
LEARNING = {"torch", "diffusers", "accelerate"}
HOMES = {
    "typer": ["command.py", "trackcommand.py", "verbs.py"],
    "trimesh": ["surface.py"],
    "meshio": ["surface.py"],
    "shapely": ["part/*.py"],
    "orix": ["crops/ipf.py"],
    "llvmlite": ["prefetch.py", "grains/vectors.py", "macrostep.py"],
    "petsc4py": ["meltpool/multigrid.py"],
    "mpi4py": ["parallel.py", "mesh/halo.py", "mesh/transfer.py", "output/*.py", "__main__.py"],
}
KERNEL_LIBRARIES = {"llvmlite", "math", "typing", "numpy", "numba"}


def files(package):
    return sorted((ROOT / package).rglob("*.py"))


def module_name(file):
    """The dotted name of a file: partsim/mesh/__init__.py is partsim.mesh."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def path_of(name):
    """The file of a module or package by its dotted name; it need not exist."""
    path = ROOT.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def is_module(name):
    return path_of(name).exists()


def absolute(node, file):
    """The dotted name that an `import from` starts with, relative dots resolved."""
    if node.level == 0:
        return node.module
    package = file.relative_to(ROOT).parent.parts
    above = package[: len(package) - node.level + 1]
    return ".".join([*above, *filter(None, [node.module])])


def imports(file, source=None):
    """Every module that the file imports, at its top or inside a function, as dotted names."""
    found = set()
    for node in ast.walk(ast.parse(source or file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = absolute(node, file)
            inner = [f"{start}.{alias.name}" for alias in node.names]
            found.update(name if is_module(name) else start for name in inner)
    return found


def reached(file):
    """The libraries that a file imports itself or through modules of partsim."""
    found, seen, waiting = set(), set(), [file]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            names = imports(file)
            inner = {name for name in names if package_of(name) == "partsim"}
            waiting += map(path_of, inner)
            found |= set(map(package_of, names - inner))
    return found


def package_of(name):
    return name.split(".")[0]


def stage(name):
    """The stage of a module of partsim, read from the first part of its name inside the package."""
    part = (name.split(".") + ["__init__"])[1]
    assert part in STAGES, f"{name} has no stage: add {part} to STAGES"
    return STAGES[part]


@pytest.mark.parametrize("file", files("partsim"), ids=module_name)
def test_module_imports_only_what_comes_before(file):
    own = stage(module_name(file))
    later = {m for m in imports(file) if package_of(m) == "partsim" and stage(m) > own}
    assert not later


@pytest.mark.parametrize("package", ["partsim", "gensim", "perfmodel"])
def test_nobody_imports_what_is_outside_the_data_flow(package):
    outside = {"perfmodel", "tests", "jobs", "meshes"} - {package}
    for file in files(package):
        assert not outside & set(map(package_of, imports(file))), file


def test_simulation_never_imports_learning():
    for file in files("partsim"):
        assert not (LEARNING | {"gensim"}) & set(map(package_of, imports(file))), file


def test_learning_imports_no_simulation():
    """gensim and partsim meet in files: crops, job reading, units and errors are shared."""
    for file in files("gensim"):
        names = imports(file)
        assert not {"petsc4py", "numba"} & set(map(package_of, names)), file
        assert all(stage(name) == 0 for name in names if package_of(name) == "partsim"), file


@pytest.mark.parametrize("library", HOMES)
def test_library_stays_at_home(library):
    homes = {file for home in HOMES[library] for file in (ROOT / "partsim").glob(home)}
    users = {file for file in files("partsim") if library in map(package_of, imports(file))}
    assert users <= homes


@pytest.mark.parametrize("file", sorted(ROOT.glob("partsim/**/kernels.py")), ids=module_name)
def test_kernels_reach_arrays_and_compiler_only(file):
    """No job, file, message or class lies behind a kernel, however many modules away."""
    assert reached(file) <= KERNEL_LIBRARIES


def test_every_way_of_importing_is_seen():
    source = """
import numpy as np, h5py
from . import __version__
from .part.shape import Box
from partsim.mesh import kernels

def late():
    from scipy.special import erf
"""
    seen = imports(ROOT / "partsim" / "imaginary.py", source)
    assert {"numpy", "h5py", "partsim", "partsim.part.shape", "scipy.special"} <= seen
    assert {"partsim.mesh.kernels", "partsim.mesh"} & seen
    assert [stage(name) for name in ("partsim", "partsim.part.shape", "partsim.mesh")] == [0, 1, 2]
