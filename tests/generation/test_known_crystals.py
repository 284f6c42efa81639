"""The known crystal that a candidate is nearest to: of its structure type, and of the nearest composition."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Composition, Element
from scipy.stats import wasserstein_distance

from data_prep.bases import TABLE
from data_prep.chemical_scale import mendeleev_numbers
from data_prep.crystal import crystal_from_structure
from repro.generation.candidates import Candidate, cell_of
from repro.generation.known_crystals import KnownCrystal, KnownCrystals, known, moved, published_known, shares
from tests.support.structure_types import perovskite, rock_salt

CUBIC = {"rock salt": 225, "zinc blende": 216, "perovskite": 221}
PUBLISHED = published_known()
COMPOSITIONS = st.lists(st.integers(1, 94), min_size=1, max_size=6)


def atoms(formula: str) -> list[int]:
    return [Element(symbol).Z for symbol, count in Composition(formula).items() for _ in range(int(count))]


def crystal(formula: str, spacegroup: int | None, energy: float = -1.0, id: str = "") -> KnownCrystal:
    return KnownCrystal(id or f"{formula}-{spacegroup}", formula, spacegroup, atoms(formula), energy)


KNOWN = KnownCrystals.of(
    [crystal(formula, 221) for formula in ("SrTiO3", "BaZrO3", "PbTiO3", "CsPbI3")]
    + [crystal("NaCl", 225), crystal("ZnS", 216), crystal("KF", 225), crystal("MgO", None)]
)


@pytest.mark.parametrize(
    ("formula", "kind", "nearest", "distance"),
    [
        ("SrTiO3", "perovskite", "SrTiO3", 0.0),
        ("BaHfO3", "perovskite", "BaZrO3", 0.2),  # Hf and Zr are neighbours on the scale, one atom of five
        ("SrZrO3", "perovskite", "BaZrO3", 0.2),  # Sr and Ba are; Ti is two places from Zr
        ("CsSnI3", "perovskite", "CsPbI3", 0.2),
        ("NaF", "rock salt", "KF", 0.5),  # not NaCl: F is three places from Cl
        ("NaCl", "zinc blende", "ZnS", 35.0),  # the formula is known, but not in this structure type
        ("NaCl2", "rock salt", "NaCl", 44 / 3),  # no such type is known: one atom of six is another
        ("Sr3TiO4", "perovskite", "SrTiO3", 11.3),
    ],
)
def test_the_nearest_is_of_the_structure_type_and_of_the_nearest_elements(formula, kind, nearest, distance):
    found, away = KNOWN.nearest(atoms(formula), CUBIC[kind])
    assert found.formula == nearest and away == pytest.approx(distance, abs=1e-4)


@given(COMPOSITIONS, COMPOSITIONS)
def test_the_distance_is_the_earth_movers_on_the_chemical_scale(one, other):
    first, second = moved(shares([one, other]))
    expected = wasserstein_distance(mendeleev_numbers()[one], mendeleev_numbers()[other])
    assert np.abs(first - second).sum() == pytest.approx(expected, abs=1e-3)


def test_of_equally_near_crystals_the_one_of_lowest_energy_is_named():
    polymorphs = [("high", -1.0), ("low", -2.0), ("unlabelled", float("nan")), ("also low", -2.0)]
    found = KnownCrystals.of(crystal("NaCl", 225, energy, id) for id, energy in polymorphs)
    assert [one.id for one in found.crystals] == ["also low", "low", "high", "unlabelled"]
    assert found.nearest(atoms("KCl"), 225)[0].id == "also low"


def test_candidates_are_given_the_nearest_and_nothing_if_none_is_known_or_they_have_no_cell():
    strontium, salt = perovskite("Sr", "Ti", "O", 3.905), rock_salt("Na", "Cl", 5.64).get_primitive_structure()
    whole = [
        crystal_from_structure(strontium, "first", -3.5, {"spacegroup": 221.0}),
        crystal_from_structure(salt, "second", properties={"spacegroup": 225.0}),
        crystal_from_structure(salt, "third"),
    ]
    barium = perovskite("Ba", "Ti", "O", 4.0)
    one = Candidate("made-0", "made", "", 0, "BaTiO3", valid=True, spacegroup=221, cell=cell_of(barium))
    undecoded = Candidate("made-1", "made", "", 0, reason="no occupied voxels")
    beside, same = known(whole).beside([one, undecoded])
    assert same is undecoded
    expected = {"formula": "SrTiO3", "spacegroup": 221, "distance": 0.2}
    expected = {"nearest_known": "first"} | {f"nearest_known_{name}": value for name, value in expected.items()}
    assert beside == replace(one, **expected)
    assert KnownCrystals([]).beside([one]) == [one]


def test_the_published_crystals_are_known_without_reading_their_cells():
    assert len(PUBLISHED.crystals) == 6766
    found = {formula: PUBLISHED.nearest(atoms(formula), number) for formula, number in (("BaTcO3", 221), ("NaCl", 225))}
    assert {formula: (one.id, away) for formula, (one, away) in found.items()} == {
        "BaTcO3": ("mp-12631", 0.2),  # SrTcO3
        "NaCl": ("mp-22862", 0.0),
    }


def test_without_the_table_no_crystal_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr("repro.generation.known_crystals.TABLE", tmp_path / TABLE.name)
    assert published_known() == KnownCrystals([])
