"""Material files: the alloy of the package, own files, and one line for whatever is wrong."""
import tomllib

import pytest

from partsim.errors import UserError
from partsim.job import MaterialChoice
from partsim.part import material
from partsim.phase.model import PhaseLaw

# Tables 1 to 3 of arXiv 2402.17580, in SI
THERMAL = {
    "density": 4090, "heat_capacity": 1130, "conductivity_powder": 0.286, "conductivity_melt": 28.6,
    "conductivity_solid": 28.6, "solidus": 1878, "liquidus": 1928, "emissivity": 0.7,
    "ambient": 293, "boiling": 3130, "evaporation_pressure": 54e3, "molar_mass": 0.0478,
    "evaporation_enthalpy": 8.84e6, "enthalpy_reference": 538, "evaporation_cap": 4130,
}
TITANIUM = (material.SHIPPED / "ti-6al-4v.toml").read_text(encoding="utf-8")


def own(folder, text):
    """Loads a material file with this text by a path relative to the job."""
    (folder / "own.toml").write_text(text, encoding="utf-8")
    return material.load(MaterialChoice(file="own.toml"), folder)


@pytest.mark.parametrize("name", ["Ti-6Al-4V", "ti-6al-4v"])
def test_titanium_has_the_values_of_the_paper(name):
    alloy = material.load(MaterialChoice(name=name))
    assert {entry: getattr(alloy, entry) for entry in THERMAL} == THERMAL
    assert alloy.name == "Ti-6Al-4V" and alloy.largest_conductivity == 28.6


def test_every_value_has_a_source():
    alloy = material.load(MaterialChoice(name="Ti-6Al-4V"))
    phases = {f"phase.{name}" for name in alloy.phase.keys() - THERMAL.keys()}
    entries = {*THERMAL, "latent_heat"} | phases
    assert alloy.sources.keys() == entries
    assert all(len(source) > 10 for source in alloy.sources.values())


@pytest.mark.parametrize("name", ["316L", "IN625", "IN718"])
def test_alloys_with_tables_have_a_source_for_every_value(name):
    alloy = material.load(MaterialChoice(name=name, latent_heat=True))
    assert alloy.sources.keys() == {*THERMAL, "latent_heat"}
    assert {"heat_capacity", "conductivity_solid"} <= alloy.curves.keys()
    assert alloy.smallest_heat_capacity < alloy.heat_capacity and alloy.latent_heat > 2e5
    assert material.load(MaterialChoice(name=name)).latent_heat == 0


def test_mean_of_a_table_is_that_of_its_lines():
    curve = material.Curve(T=(300.0, 400.0, 600.0), value=(1.0, 3.0, 3.0))
    assert curve.mean(200, 600) == pytest.approx((100 * 1 + 100 * 2 + 200 * 3) / 400, rel=1e-15)


@pytest.mark.parametrize("table, line", [
    ("{ T = [300, 2000, 1900], value = [1, 2, 3] }",
     'heat_capacity = {"T": [300, 2000, 1900], "value": [1, 2, 3]}, but it must be at rising '
     "temperatures T"),
    ("{ T = [300, 2000], value = [1, -2] }",
     "heat_capacity.value[1] = -2, but it must be positive"),
    ("{ T = [300, nan], value = [1, 2] }", "heat_capacity.T[1] = NaN, but it must be a temperature "
     'such as "20 degC" or a number in K, and finite'),
    ("{ T = [300, 2000], value = [1, 2, 3] }",
     'heat_capacity = {"T": [300, 2000], "value": [1, 2, 3]}, but it must be as many values as '
     "temperatures, 2"),
    ("{ T = [300, 1900], value = [1, 2] }", "heat_capacity.T = 300 K to 1900 K, but it must be a "
     "range that holds 300 K to 1928 K"),
    ("{ T = [400, 2000], value = [1, 2] }", "heat_capacity.T = 400 K to 2000 K, but it must be a "
     "range that holds 300 K to 1928 K"),
    ("{ T = [300], value = [1] }", "heat_capacity.T = [300], but it must be a list of at least 2"),
    ("{ T = [300, 2000] }", "missing entry heat_capacity.value"),
    ("{ T = [300, 2000], values = [1, 2] }", "unknown entry heat_capacity.values"),
], ids=str)
def test_wrong_table_is_told_in_one_line(tmp_path, table, line):
    old = 'heat_capacity = { value = "1130 J/(kg K)", source = "Proell 2024, Table 1" }'
    assert TITANIUM.count(old) == 1
    with pytest.raises(UserError) as told:
        own(tmp_path, TITANIUM.replace(old, f"heat_capacity = {table}"))
    assert str(told.value) == f"{tmp_path / 'own.toml'}: {line}"


def test_latent_heat_must_be_known_where_it_is_asked_for(tmp_path):
    (tmp_path / "own.toml").write_text(TITANIUM.replace("latent_heat =", "# latent_heat ="))
    with pytest.raises(UserError, match="material.latent_heat = true, but it must be false"):
        material.load(MaterialChoice(file="own.toml", latent_heat=True), tmp_path)


def test_phase_constants_make_the_law_of_the_paper():
    assert PhaseLaw(**material.load(MaterialChoice(name="Ti-6Al-4V")).phase) == PhaseLaw()


def test_own_file_needs_no_sources_and_no_phases(tmp_path):
    text = 'name = "mine"\n' + "\n".join(f"{name} = {value}" for name, value in THERMAL.items())
    alloy = own(tmp_path, text)
    assert alloy.phase is None and alloy.sources == {}
    assert {entry: getattr(alloy, entry) for entry in THERMAL} == THERMAL


@pytest.mark.parametrize("old, new, line", [
    ('density = { value = "4090 kg/m^3"', 'density = { value = "4090 kg"',
     'density = "4090 kg", but it must be a density such as "4090 kg/m^3" or a number in kg/m^3'),
    ('density = { value = "4090 kg/m^3"', 'density = { value = "-1 kg/m^3"',
     'density = "-1 kg/m^3", but it must be positive'),
    ('solidus = { value = "1878 K"', 'solidus = { value = "1928 K"',
     "liquidus = 1928 K, but it must be above the solidus, 1928 K"),
    ('ambient = { value = "293 K"', 'ambient = { value = "2930 K"',
     "ambient = 2930 K, but it must be below the solidus, 1878 K"),
    ('boiling = { value = "3130 K"', 'boiling = { value = "1900 K"',
     "boiling = 1900 K, but it must be above the liquidus, 1928 K"),
    ('evaporation_cap = { value = "4130 K"', 'evaporation_cap = { value = "3 kK"',
     "evaporation_cap = 3000 K, but it must be at least the boiling point, 3130 K"),
    ("emissivity = { value = 0.7", "emissivity = { value = 1.7",
     "emissivity = 1.7, but it must be at most 1"),
    ("emissivity = {", "emisivity = {", "unknown entry emisivity; did you mean emissivity?"),
    ("emissivity = { value", "emissivity = { note = 1, value", "unknown entry emissivity.note"),
    ("molar_mass =", "# molar_mass =", "missing entry molar_mass"),
], ids=str)
def test_wrong_file_is_told_in_one_line(tmp_path, old, new, line):
    assert TITANIUM.count(old) == 1
    with pytest.raises(UserError) as told:
        own(tmp_path, TITANIUM.replace(old, new))
    assert str(told.value) == f"{tmp_path / 'own.toml'}: {line}"


def test_missing_materials_are_told_in_one_line(tmp_path):
    with pytest.raises(UserError, match='material.name = "Ti-6Al4V", but .* mean ti-6al-4v?'):
        material.load(MaterialChoice(name="Ti-6Al4V"))
    with pytest.raises(UserError, match="material file .*own.toml cannot be read: No such file"):
        material.load(MaterialChoice(file="own.toml"), tmp_path)
    with pytest.raises(UserError, match="material file .*own.toml is not TOML"):
        own(tmp_path, "density =")


def test_shipped_files_are_toml():
    for file in material.SHIPPED.iterdir():
        assert tomllib.loads(file.read_text(encoding="utf-8"))["name"]
