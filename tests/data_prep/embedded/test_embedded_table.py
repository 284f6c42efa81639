"""The committed table: its columns, its families and elements, its numbers."""

from collections import Counter

import numpy as np
import pytest
from pymatgen.core import Composition, Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from data_prep.crystal import family_of
from data_prep.embedded import CARD, TABLE

COLUMNS = [
    *("id", "formula", "family", "prototype", "chemistry", "spacegroup", "a_conv", "nsites"),
    *("a", "b", "c", "alpha", "beta", "gamma", "species", "frac"),
    *("formation_energy_per_atom", "bulk_modulus_eos", "convergence"),
]
SHAPES = {  # prototype -> space group, sites, angle, edge over conventional lattice constant
    "CsCl": (221, 2, 90.0, 1.0),
    "rocksalt": (225, 2, 60.0, 0.5**0.5),
    "zincblende": (216, 2, 60.0, 0.5**0.5),
    "perovskite": (221, 5, 90.0, 1.0),
    "L2_1": (225, 4, 60.0, 0.5**0.5),
}


def structure_of(row: dict[str, str]) -> Structure:
    cell = Lattice.from_parameters(*(float(row[name]) for name in ("a", "b", "c", "alpha", "beta", "gamma")))
    return Structure(cell, row["species"].split(), np.array(row["frac"].split(), dtype=float).reshape(-1, 3))


def test_table_has_the_columns_the_size_and_the_families(rows):
    assert list(rows[0]) == COLUMNS
    assert len(rows) >= 2000
    assert TABLE.stat().st_size < 1_000_000
    families = Counter(row["family"] for row in rows)
    share = {family: count / len(rows) for family, count in families.items()}
    # The paper: 14 % AB, 19 % ABX3, 67 % ABX2.
    assert share == pytest.approx({"AB": 0.14, "ABX3": 0.19, "ABX2": 0.67}, abs=0.05)


def test_every_element_is_seen_often(rows):
    seen = Counter(symbol for row in rows for symbol in set(row["species"].split()))
    assert len(seen) >= 60
    assert min(seen.values()) >= 15
    assert all(Composition(symbol).elements[0].Z <= 94 for symbol in seen)


def test_no_id_and_no_compound_of_one_prototype_twice(rows):
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({(row["formula"], row["prototype"]) for row in rows}) == len(rows)


def test_cells_are_the_primitive_cells_of_their_prototypes(rows):
    for row in rows:
        spacegroup, sites, angle, edge = SHAPES[row["prototype"]]
        assert (int(row["spacegroup"]), int(row["nsites"])) == (spacegroup, sites)
        assert len(row["species"].split()) == sites and len(row["frac"].split()) == 3 * sites
        assert {float(row[name]) for name in ("alpha", "beta", "gamma")} == {angle}
        assert row["a"] == row["b"] == row["c"]
        assert float(row["a"]) == pytest.approx(edge * float(row["a_conv"]), abs=1e-5)
        assert Composition(Counter(row["species"].split())).reduced_formula == row["formula"]
        assert family_of(row["formula"]) == row["family"]


def test_labels_are_finite_and_physical(rows):
    for name, low, high in (
        ("formation_energy_per_atom", -6, 2),
        ("bulk_modulus_eos", 1, 600),
        ("convergence", 0, 0.2),
        ("a_conv", 2, 10),
    ):
        values = np.array([float(row[name]) for row in rows])
        assert np.isfinite(values).all() and low <= values.min() and values.max() <= high
        assert len(np.unique(values)) > 100


def test_a_sample_has_the_stated_space_group_and_no_close_atoms(rows):
    sample = [row for name in SHAPES for row in [r for r in rows if r["prototype"] == name][:2]]
    for row in sample:
        structure = structure_of(row)
        analyzer = SpacegroupAnalyzer(structure, symprec=1e-3)
        assert analyzer.get_space_group_number() == int(row["spacegroup"])
        assert structure.is_valid(tol=1.0)
        conventional = analyzer.get_conventional_standard_structure()
        assert conventional.lattice.a == pytest.approx(float(row["a_conv"]), abs=1e-4)


def test_known_compounds_in_the_table_have_near_measured_lattice_constants(rows):
    measured = {  # Å, room temperature
        ("NaCl", "rocksalt"): 5.640, ("KCl", "rocksalt"): 6.293, ("LiF", "rocksalt"): 4.026,
        ("TiC", "rocksalt"): 4.328, ("NbC", "rocksalt"): 4.470, ("CsCl", "CsCl"): 4.123,
        ("GaN", "zincblende"): 4.50, ("InSb", "zincblende"): 6.479, ("AlAs", "zincblende"): 5.661,
        ("HoRu", "CsCl"): 3.396, ("KMgF3", "perovskite"): 3.989, ("LaAlO3", "perovskite"): 3.81,
    }  # fmt: skip
    found = {(row["formula"], row["prototype"]): float(row["a_conv"]) for row in rows}
    present = {key: found[key] for key in measured if key in found}
    assert len(present) >= 5
    for key, a in present.items():
        assert a == pytest.approx(measured[key], rel=0.035), key


def test_data_card_tells_the_number_of_rows(rows):
    assert f"{len(rows):,} structures of" in CARD.read_text(encoding="utf-8")
