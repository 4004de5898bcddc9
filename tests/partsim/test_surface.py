"""Triangulated surfaces from files: formats, unit and place; one line for whatever is wrong."""

import meshio
import numpy as np
import pytest
import trimesh

from partsim.errors import UserError
from partsim.job import parse
from partsim.surface import read
from tests.small_job import REMOVED, job_text

pytestmark = pytest.mark.serial
SIZE = (4.0, 3.0, 2.0)
SURFACE = {"part.shape": "surface", "part.size": REMOVED, "part.file": "block.stl"}


def block():
    """Not a box: one corner is cut off, so that no axis can be mistaken for another."""
    corners = np.array([
        [0, 0, 0], [4, 0, 0], [4, 3, 0], [0, 3, 0], [0, 0, 2], [3, 0, 2], [4, 3, 2], [0, 3, 2],
        [4, 0, 1],
    ], float)  # fmt: skip
    return trimesh.convex.convex_hull(corners + [10.0, -20.0, 5.0])


def write(mesh, path):
    """Writes what trimesh writes by itself, the rest by meshio."""
    if path.suffix in (".vtk", ".msh", ".vtu"):
        kind = "gmsh" if path.suffix == ".msh" else None  # it would write that of Ansys
        meshio.Mesh(mesh.vertices, [("triangle", mesh.faces)]).write(path, file_format=kind)
    else:
        mesh.export(path)
    return path


def surface_of(vertices, faces, folder):
    """The refusal of a surface given by its triangles."""
    path = folder / "wrong.off"
    lines = ["OFF", f"{len(vertices)} {len(faces)} 0"]
    lines += [" ".join(map(str, vertex)) for vertex in vertices]
    lines += [f"3 {a} {b} {c}" for a, b, c in faces]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError) as told:
        read(path, 1.0)
    assert "\n" not in str(told.value) and str(path) in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("ending", ["stl", "ply", "obj", "off", "glb", "vtk", "msh", "vtu"])
def test_every_format_gives_the_same_solid_in_metres(tmp_path, ending):
    surface = read(write(block(), tmp_path / f"block.{ending}"), 1e-3)
    np.testing.assert_allclose(surface.size, np.array(SIZE) * 1e-3, rtol=1e-6)
    np.testing.assert_allclose(surface.mesh.bounds[0], 0, atol=1e-12)
    # the cut-off corner is a pyramid with three edges 1, 3 and 1 at right angles
    assert surface.mesh.volume == pytest.approx((24 - 0.5) * 1e-9, rel=1e-6)


def test_unit_is_the_length_of_one_unit_of_the_file(tmp_path):
    path = write(block(), tmp_path / "block.stl")
    assert read(path, 0.0254).size == pytest.approx(tuple(0.0254 * edge for edge in SIZE))


def test_changed_file_is_read_again(tmp_path):
    path = write(block(), tmp_path / "block.stl")
    first = read(path, 1.0)
    assert read(path, 1.0) is first
    write(block().apply_scale(2.0), path)
    second = read(path, 1.0)
    assert second.size == pytest.approx(tuple(2 * edge for edge in SIZE))
    assert second.digest != first.digest


def test_lines_among_the_triangles_do_no_harm(tmp_path):
    """Triangles that have a corner twice, as some programs write them."""
    mesh = block()
    faces = np.vstack([mesh.faces, [[0, 0, 1], [2, 3, 3]]])
    trimesh.Trimesh(mesh.vertices, faces, process=False).export(tmp_path / "block.off")
    assert read(tmp_path / "block.off", 1.0).mesh.volume == pytest.approx(23.5)


def test_wrong_surfaces_are_told_in_one_line(tmp_path):
    mesh = block()
    corners, faces = mesh.vertices.tolist(), mesh.faces.tolist()
    turned = [faces[0][::-1], *faces[1:]]
    inside_out = mesh.faces[:, ::-1].tolist()
    holed = corners[:3] + [["nan", 0, 0]] + corners[4:]
    assert "is not watertight: 3 edges" in surface_of(corners, faces[1:], tmp_path)
    assert "wound in different senses" in surface_of(corners, turned, tmp_path)
    assert "encloses -23.5 cubic units" in surface_of(corners, inside_out, tmp_path)
    assert "no finite numbers" in surface_of(holed, faces, tmp_path)
    assert "not watertight: 6 edges" in surface_of(corners, [faces[0], faces[0][::-1]][:1] + [
        face for face in faces if not set(face) & set(faces[0])][:1], tmp_path)


@pytest.mark.parametrize("name, content, words", [
    ("none.stl", None, "cannot be read: No such file"),
    ("folder.stl", "folder", "cannot be read: Is a directory"),
    ("empty.stl", b"", "surface file"),
    ("noise.stl", bytes(range(256)) * 3, "surface file"),
    ("noise.ply", bytes(range(256)), "cannot be understood"),
    ("noise.msh", bytes(range(256)), "cannot be understood"),
    ("part.step", b"ISO-10303-21;", "must end in one of .stl, .ply"),
    ("part", b"solid", "must end in one of .stl, .ply"),
    ("empty.obj", b"# nothing", "surface file"),
])
def test_files_without_sense_are_told_in_one_line(tmp_path, name, content, words):
    if content == "folder":
        (tmp_path / name).mkdir()
    elif content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words) as told:
        read(tmp_path / name, 1.0)
    assert "\n" not in str(told.value)


def test_damaged_files_raise_user_errors_only(tmp_path):
    """Bytes changed or missing at random: a surface or one line, nothing else."""
    random, lines = np.random.default_rng(0), 0
    for ending in ("stl", "ply", "obj", "off", "msh", "vtk"):
        content = write(block(), tmp_path / f"block.{ending}").read_bytes()
        for _ in range(40):
            damaged = bytearray(content[: random.integers(1, len(content) + 1)])
            for place in random.integers(0, len(damaged), 3):
                damaged[place] = random.integers(0, 256)
            path = tmp_path / f"damaged.{ending}"
            path.write_bytes(damaged)
            try:
                read(path, 1.0)
            except UserError as told:
                lines += 1
                assert "\n" not in str(told)
    assert lines > 100


def test_job_takes_size_and_layers_from_the_file(tmp_path):
    write(block(), tmp_path / "block.stl")
    job = parse(job_text(SURFACE | {"part.unit": "0.1 mm"}), tmp_path / "job.toml")
    np.testing.assert_allclose(job.part.size, [4e-4, 3e-4, 2e-4], rtol=1e-6)
    assert (job.layers.count, job.layers.stop) == (4, 4)


@pytest.mark.parametrize("changes, line", [
    ({"part.size": REMOVED}, "missing entry part.size"),
    ({"part.file": "block.stl"},
     'part.file = "block.stl", but it must be left out: part.shape = "box"'),
    (SURFACE | {"part.file": REMOVED}, "missing entry part.file"),
    (SURFACE | {"part.size": [1, 1, 1]},
     'part.size = [1.0, 1.0, 1.0], but it must be left out: part.shape = "surface"'),
    (SURFACE | {"part.unit": 0}, "part.unit = 0, but it must be positive"),
    (SURFACE | {"part.file": "no.stl"}, "surface file no.stl cannot be read: No such file or "
     "directory"),
], ids=str)
def test_wrong_entries_of_the_part_are_told_in_one_line(changes, line):
    with pytest.raises(UserError) as told:
        parse(job_text(changes), "job.toml")
    assert str(told.value) == line
