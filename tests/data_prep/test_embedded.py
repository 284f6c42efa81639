"""The embedded data set: the committed table, the enumeration behind it, and the machinery that made it."""

import csv
import gzip
import importlib.util
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition, Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from data_prep.crystal import family_of
from data_prep.embedded import CARD, TABLE
from data_prep.embedded.__main__ import judge, main, relax_all, write_table
from data_prep.embedded.candidates import Candidate, enumerate_candidates
from data_prep.embedded.card import BEGIN, END, with_generated
from data_prep.embedded.elements import elemental_structure
from data_prep.embedded.eos import (
    DEFAULT_SEARCH,
    EV_PER_CUBIC_ANGSTROM,
    NoMinimum,
    fit_birch_murnaghan,
    search_minimum,
)
from data_prep.embedded.journal import Journal
from data_prep.embedded.prototypes import PROTOTYPES
from data_prep.embedded.relax import formation_energy, load_model, relax_candidates
from data_prep.errors import InputError

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
needs_chgnet = pytest.mark.skipif(
    importlib.util.find_spec("chgnet") is None, reason="chgnet is not installed (extra embedded-data)"
)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with gzip.open(TABLE, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def candidates() -> list[Candidate]:
    return enumerate_candidates()


def structure_of(row: dict[str, str]) -> Structure:
    cell = Lattice.from_parameters(*(float(row[name]) for name in ("a", "b", "c", "alpha", "beta", "gamma")))
    return Structure(cell, row["species"].split(), np.array(row["frac"].split(), dtype=float).reshape(-1, 3))


# The committed table


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


# The enumeration


def test_enumeration_is_deterministic_and_the_table_is_part_of_it(rows, candidates):
    assert enumerate_candidates() == candidates
    by_id = {candidate.id: candidate for candidate in candidates}
    assert len(by_id) == len(candidates) > len(rows)
    for row in rows:
        candidate = by_id[row["id"]]
        assert (row["formula"], row["prototype"]) == (candidate.formula, candidate.prototype)
        assert tuple(row["species"].split()) == candidate.species


def test_every_prefix_is_a_fair_sample(candidates):
    shares = [Counter(c.family for c in candidates[:n])["ABX2"] / n for n in (200, len(candidates))]
    assert abs(shares[0] - shares[1]) < 0.1


@pytest.mark.parametrize("symbol", ["Na", "Mg", "La", "S", "O", "Cl", "Mn", "B", "Pu", "H", "Te", "Sm"])
def test_elements_have_plausible_distances_and_densities(symbol):
    structure = elemental_structure(symbol)
    nearest = min(neighbor.nn_distance for site in structure for neighbor in structure.get_neighbors(site, 5))
    expected = {"Na": 3.66, "Mg": 3.20, "La": 3.73, "S": 2.04, "O": 1.21, "Cl": 1.99, "Mn": 2.24,
                "B": 1.71, "Pu": 2.57, "H": 0.74, "Te": 2.84, "Sm": 3.59}  # fmt: skip
    assert nearest == pytest.approx(expected[symbol], abs=0.03)


# Equation of state and search


def birch_murnaghan(volume, v0, e0, bulk_modulus, derivative=4.5):
    """The third-order Birch-Murnaghan energy (eV) as Birch wrote it; ``bulk_modulus`` in GPa."""
    eta = (v0 / volume) ** (2 / 3)
    k = bulk_modulus / EV_PER_CUBIC_ANGSTROM
    return e0 + 9 * v0 * k / 16 * ((eta - 1) ** 3 * derivative + (eta - 1) ** 2 * (6 - 4 * eta))


@settings(max_examples=50, deadline=None)
@given(st.floats(5, 80), st.floats(-15, 0), st.floats(5, 500), st.floats(2.5, 7))
def test_fit_recovers_analytic_data(v0, e0, bulk_modulus, derivative):
    volumes = v0 * np.linspace(0.93, 1.06, 5)
    fit = fit_birch_murnaghan(volumes, birch_murnaghan(volumes, v0, e0, bulk_modulus, derivative))
    assert fit.volume == pytest.approx(v0, rel=1e-5)
    assert fit.energy == pytest.approx(e0, abs=1e-6)
    assert fit.bulk_modulus == pytest.approx(bulk_modulus, rel=1e-3)
    assert fit.misfit < 1e-6


def test_fit_without_a_minimum_is_refused():
    volumes = np.linspace(10, 12, 5)
    x = 100 * (volumes ** (-2 / 3) - 11 ** (-2 / 3))
    with pytest.raises(NoMinimum, match="failed fit"):
        fit_birch_murnaghan(volumes, x**3 + x)


def finish(search, energy):
    """Answer a search with ``energy(a)`` and return its result and how many energies it asked for."""
    asked, wanted = 0, next(search)
    while True:
        asked += len(wanted)
        try:
            wanted = search.send(energy(wanted))
        except StopIteration as finished:
            return finished.value, asked


@settings(max_examples=50, deadline=None)
@given(st.floats(4, 8), st.floats(0.8, 1.35), st.floats(10, 300))
def test_search_finds_the_minimum_from_a_poor_guess(a0, off, bulk_modulus):
    v0 = a0**3 / 8
    result, asked = finish(
        search_minimum(a0 / off, 8, 0.5), lambda a: birch_murnaghan(a**3 / 8, v0, -3.0, bulk_modulus)
    )
    assert result.a == pytest.approx(a0, rel=1e-4)
    assert result.energy == pytest.approx(-3.0, abs=1e-5)
    assert result.fit.bulk_modulus == pytest.approx(bulk_modulus, rel=0.02)
    assert result.residual_pressure < DEFAULT_SEARCH.tolerance
    assert asked <= 5 + 2 * 3 + 2 * DEFAULT_SEARCH.fine_points + 6


@pytest.mark.parametrize("slope", [-1.0, 1.0])
def test_search_without_a_minimum_says_so(slope):
    with pytest.raises(NoMinimum, match="no bracketed minimum"):
        finish(search_minimum(5.0, 8, 0.5), lambda a: slope * np.asarray(a))


def test_search_never_asks_for_atoms_closer_than_one_angstrom():
    asked = []

    def collapsing(a):
        asked.extend(a)
        return np.asarray(a, dtype=float)

    with pytest.raises(NoMinimum):
        finish(search_minimum(2.4, 8, 0.5), collapsing)
    assert min(asked) * 0.5 >= 1.0


# Driver and files, with an analytic energy in the place of CHGNet


def springs(structures):
    """An energy (eV/atom) with its minimum where every nearest distance is 2.5 Å."""
    nearest = [min(n.nn_distance for n in s.get_neighbors(s[-1], 6)) for s in structures]
    return np.array([5.0 * (distance - 2.5) ** 2 - 1.0 for distance in nearest])


def some_candidates():
    return [
        Candidate("1", "NaCl", "AB", "rocksalt", "AB halide", ("Na", "Cl")),
        Candidate("2", "AlNi", "AB", "CsCl", "AB intermetallic", ("Ni", "Al")),
        Candidate("3", "GaAs", "AB", "zincblende", "AB tetrahedral", ("Ga", "As")),
        Candidate("4", "MnCo2Si", "ABX2", "L2_1", "ABX2 transition metal", ("Co", "Co", "Mn", "Si")),
    ]


def test_candidates_relax_together_and_alone_to_the_same_minimum():
    together = relax_candidates(some_candidates(), springs)
    for candidate in some_candidates():
        prototype = PROTOTYPES[candidate.prototype]
        assert prototype.shortest_distance(together[candidate.id].a) == pytest.approx(2.5, abs=2e-3)
        assert relax_candidates([candidate], springs)[candidate.id].a == together[candidate.id].a


def test_formation_energy_subtracts_the_elements_by_count():
    heusler = some_candidates()[3]
    energies = {"Co": -7.0, "Mn": -9.0, "Si": -5.0}
    assert formation_energy(heusler, -7.5, energies) == pytest.approx(-7.5 - (-7.0 * 2 - 9.0 - 5.0) / 4)


def test_a_killed_run_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "journal.jsonl"
    asked = []

    def counting(structures):
        asked.append(len(structures))
        return springs(structures)

    relax_all(counting, some_candidates()[:2], DEFAULT_SEARCH, Journal(path, {"version": 1}))
    with open(path, "a") as file:
        file.write('{"key": "half a li')
    asked.clear()
    journal = Journal(path, {"version": 1})
    assert len(journal.items) == 2
    relax_all(counting, some_candidates(), DEFAULT_SEARCH, journal)
    assert asked[0] == 2 * DEFAULT_SEARCH.coarse_points
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 5 and lines[0] == {"version": 1}
    with pytest.raises(InputError, match="other settings or versions"):
        Journal(path, {"version": 2})


def test_judging_a_journal_yields_rows_and_reasons(tmp_path):
    def springs_or_nothing(structures):
        dissolving = np.array(["Ni" in structure.composition for structure in structures])
        volumes = np.array([structure.volume for structure in structures])
        return np.where(dissolving, -volumes, springs(structures))

    journal = Journal(tmp_path / "journal.jsonl", {})
    relax_all(springs_or_nothing, some_candidates(), DEFAULT_SEARCH, journal)
    elements = dict.fromkeys(["Na", "Cl", "Ni", "Al", "Ga", "As", "Co", "Mn", "Si"], -0.5)
    elements["As"] = -6.0
    rows, reasons = judge(some_candidates(), elements, journal)
    assert [row["id"] for row in rows] == ["1", "4"] and list(rows[0]) == COLUMNS
    assert reasons == ["no bracketed minimum", "absurd formation energy"]
    assert rows[0]["formation_energy_per_atom"] == pytest.approx(-0.5, abs=1e-4)
    assert rows[0]["a_conv"] == pytest.approx(5.0, abs=5e-3)


def test_written_bytes_depend_on_the_rows_alone(tmp_path):
    rows = [{"id": "1", "species": "Na Cl"}, {"id": "2", "species": "Cs Cl"}]
    for name in ("one.csv.gz", "two.csv.gz"):
        write_table(tmp_path / name, rows)
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "two.csv.gz").read_bytes()
    with gzip.open(tmp_path / "one.csv.gz", "rt") as file:
        assert list(csv.DictReader(file)) == rows


def test_card_keeps_what_stands_outside_the_markers():
    assert with_generated(f"a\n{BEGIN}\nold\n{END}\nb\n", "new\n") == f"a\n{BEGIN}\nnew\n{END}\nb\n"
    with pytest.raises(InputError, match="markers"):
        with_generated("a", "b")


def test_a_part_must_not_replace_the_whole_table(capsys, monkeypatch):
    monkeypatch.chdir(TABLE.parent)
    for out in ([], ["--out", TABLE.name], ["--out", f"../{TABLE.parent.name}/{TABLE.name}"]):
        assert main(["--limit", "3", *out]) == 2
        assert "--limit needs --out" in capsys.readouterr().err


def test_without_chgnet_the_user_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "chgnet.model", None)
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[embedded-data\]'"):
        load_model()


@needs_chgnet
def test_chgnet_relaxes_rock_salt():
    from data_prep.embedded.relax import energy_function, relax_element

    model = load_model()
    salt = some_candidates()[0]
    minimum = relax_candidates([salt], energy_function(model))["1"]
    assert minimum.a == pytest.approx(5.64, rel=0.03)
    elements = {symbol: relax_element(model, elemental_structure(symbol)) for symbol in ("Na", "Cl")}
    assert formation_energy(salt, minimum.energy, elements) == pytest.approx(-2.10, abs=0.03)
