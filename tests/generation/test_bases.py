"""The base that a user names: any spelling of a formula, an id, a CIF; what is said of several, and of none."""

from dataclasses import replace

import pytest

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from repro.generation.bases import choice, crystals_named, find_base
from tests.support.made_up_crystals import made_up_crystals
from tests.support.structure_types import perovskite, rock_salt

CRYSTALS = made_up_crystals(30)


def named(id: str, structure, energy: float, **properties: float) -> Crystal:
    return crystal_from_structure(structure, id, energy, properties)


KNOWN = [
    named("mp-1", perovskite("Sr", "Ti", "O", 3.9), -3.5, spacegroup=221.0),
    named("mp-2", perovskite("Sr", "Ti", "O", 4.1), -3.6, spacegroup=221.0),
    named("mp-3", perovskite("Sr", "Ti", "O", 4.3), float("nan")),
    named("mp-4", perovskite("Ba", "Sn", "O", 4.1), -3.0, spacegroup=221.0),
    named("mp-5", rock_salt("Ni", "Al", 2.9), -0.7, spacegroup=221.0),
    named("mp-6", rock_salt("Na", "N", 5.0), -0.1, spacegroup=225.0),
]


def test_a_base_is_found_by_id_and_by_formula_of_lowest_energy():
    assert find_base("made-004", CRYSTALS) is CRYSTALS[4]
    assert find_base(CRYSTALS[7].formula, CRYSTALS).formula == CRYSTALS[7].formula
    assert find_base("mp-1 ", KNOWN) is KNOWN[0] and find_base("SrTiO3", KNOWN) is KNOWN[1]


@pytest.mark.parametrize(
    "spelling",
    ["NiAl", "AlNi", "Al Ni", " NiAl ", "Ni1Al1", "Al2Ni2", "Ni0.5Al0.5", "(NiAl)", "Al₁Ni₁"],
)
def test_a_formula_is_known_in_any_spelling(spelling):
    assert find_base(spelling, KNOWN) is KNOWN[4]


@pytest.mark.parametrize("spelling", ["Sr Ti O3", "TiSrO3", "O3SrTi", "Ti1Sr1O3", "Sr2Ti2O6", "SrTiO₃", "SrO TiO2"])
def test_the_order_of_the_elements_does_not_matter(spelling):
    assert find_base(spelling, KNOWN).formula == "SrTiO3"


def test_an_id_that_is_a_formula_means_its_crystal(tmp_path):
    polymorphs = [replace(KNOWN[0], id="SrTiO3"), replace(KNOWN[1], id="SrTiO3_large")]
    assert find_base("SrTiO3", polymorphs) is polymorphs[0]
    assert find_base("TiSrO3", polymorphs) is polymorphs[1]  # a formula: the lowest energy


def test_a_base_of_an_element_that_no_network_knows_is_refused(tmp_path):
    rock_salt("Am", "O", 5.0).to(str(tmp_path / "heavy.cif"), fmt="cif")
    with pytest.raises(InputError, match="heavy.cif cannot be used: no network knows elements beyond Z = 94"):
        find_base(str(tmp_path / "heavy.cif"), [])


def test_sodium_nitride_is_not_a_missing_number():
    assert find_base("NaN", KNOWN) is KNOWN[5]


def test_several_crystals_of_a_formula_are_listed():
    found = crystals_named("TiSrO3", KNOWN)
    assert [crystal.id for crystal in found] == ["mp-2", "mp-1", "mp-3"]  # that without an energy comes last
    assert choice("TiSrO3", found) == (
        "TiSrO3 names 3 crystals; taken is the one of lowest energy, mp-2 (-3.600 eV/atom, Pm-3m). "
        "For another give its id: mp-1 (-3.500 eV/atom, Pm-3m); mp-3 (no energy, Pm-3m)."
    )
    many = [replace(KNOWN[0], id=f"mp-{number}") for number in range(20)]
    assert choice("SrTiO3", many).endswith("mp-10 (-3.500 eV/atom, Pm-3m); ...")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SrSnO3", r"'SrSnO3' is the formula of no crystal here \(SrSnO3\); the nearest are BaSnO3, SrTiO3"),
        ("AlCo", r"the formula of no crystal here \(AlCo\); the nearest are AlNi"),
        ("srtio3", "'srtio3' is neither a formula nor an id .* nor a structure file; the nearest are SrTiO3"),
        ("BaTiOx", "is neither a formula nor an id .*; the nearest are SrTiO3"),
        ("mp-44", "is neither a formula nor an id .*; the nearest are mp-4"),
        ("", "is neither a formula nor an id of the crystals here nor a structure file.$"),
        ("AmO2", "is the formula of no crystal here"),
    ],
)
def test_an_unknown_base_gets_the_nearest_by_composition(name, said):
    with pytest.raises(InputError, match=said):
        find_base(name, KNOWN)


def test_a_base_is_read_from_a_cif(tmp_path):
    path = tmp_path / "base.cif"
    path.write_text(CRYSTALS[1].structure().to(fmt="cif"))
    assert sorted(find_base(f"{path} ", CRYSTALS).numbers) == sorted(CRYSTALS[1].numbers)
    path.write_text("nothing")
    with pytest.raises(InputError, match=r"base\.cif cannot be used"):
        find_base(str(path), CRYSTALS)
    with pytest.raises(InputError, match=r"gone\.cif does not exist"):
        find_base(str(tmp_path / "gone.cif"), CRYSTALS)
