"""Table 4: what was known but not trained on, its errors against the labels, and other polymorphs."""

import csv

import pytest
from pymatgen.core import Lattice

from data_prep.structures.matching import matches
from experiments import table4
from experiments.known_structures import like_cell
from experiments.paper import TABLE4_MAE
from tests.support import made_up_generation
from tests.support.exit_code import run_experiment as main
from tests.support.made_up_generation import caesium_chloride, noncubic, rocksalt


@pytest.fixture
def generation(tmp_path):
    return made_up_generation.generation(tmp_path)


def test_candidates_are_counted_by_formula_and_by_structure(generation):
    counts = table4.compute(generation)["counts"]
    assert counts["by_formula"] == {"candidates": 4, "formulas": 2}  # CaTiO3 three times, KCl once
    assert counts["by_structure"] == {"candidates": 3, "formulas": 1}  # KCl has the wrong structure
    assert (counts["filtered"], counts["same_cell"]) == (1, 1)


def test_the_errors_are_against_the_labels(generation):
    table = table4.compute(generation)
    rows = {row["formula"]: row for row in table["rows"]}
    titanate = rows["CaTiO3"]
    assert titanate["candidate"] == "SrTiO3-k-0-00004" and titanate["samples"] == 3 and titanate["filtered"]
    assert [titanate[axis] for axis in "abc"] == pytest.approx([0.1] * 3)
    assert titanate["volume"] == pytest.approx(100 * ((4.0 / 3.9) ** 3 - 1))
    assert titanate["formation_energy_per_atom"] == pytest.approx(0.4)
    assert titanate["bulk_modulus"] == pytest.approx(30)
    assert titanate["band_gap"] is None  # no label, no prediction
    assert titanate["structure_match"] and titanate["same_cell"] and titanate["part"] == "test"
    salt = rows["KCl"]
    assert not salt["structure_match"] and not salt["same_cell"] and not salt["filtered"]
    assert salt["a"] == pytest.approx(6.3 / 2**0.5 - 3.8, abs=1e-4)  # of two different cells
    assert salt["formation_energy_per_atom"] == pytest.approx(1.4)


def test_the_means_are_of_all_of_like_cells_and_of_the_filtered(generation):
    mae = table4.compute(generation)["mae"]
    assert mae["all"]["formation_energy_per_atom"]["mean"] == pytest.approx(0.9)
    assert mae["all"]["formation_energy_per_atom"]["count"] == 2
    assert mae["same cell"]["formation_energy_per_atom"]["mean"] == pytest.approx(0.4)
    assert mae["filtered as in Table 2"]["a"]["mean"] == pytest.approx(0.1)
    assert mae["all"]["bulk_modulus"]["count"] == 1 and mae["all"]["bulk_modulus"]["interval"] is None


def test_formulas_known_only_as_other_polymorphs(generation):
    general = [
        noncubic("g-0", ("Ba", "Zr"), -3.3, 62), noncubic("g-1", ("Ba", "Zr"), -3.5, 140),
        noncubic("g-2", ("Th", "Ti"), -3.0, 62), noncubic("g-3", ("Th", "Ti"), -2.9, 221),
        noncubic("g-4", ("Mg", "Ti"), -3.2, 148), noncubic("g-5", ("Ca", "Ti"), -3.2, 62),
    ]  # fmt: skip
    found = {row["formula"]: row for row in table4.compute(generation, general)["polymorphs"]}
    assert set(found) == {"BaZrO3", "MgTiO3"}  # ThTiO3 is known as a cubic crystal, CaTiO3 is in the data
    assert found["BaZrO3"]["known"] == "g-1" and found["BaZrO3"]["spacegroups"] == [140, 62]
    assert found["BaZrO3"]["filtered"] and not found["MgTiO3"]["filtered"]
    assert table4.compute(generation)["polymorphs"] is None


def test_a_cell_is_compared_with_the_like_one():
    """A tetragonal distortion of a rhombohedral cell has other edges in its standard setting."""
    known = Lattice.from_parameters(4, 4, 4, 60, 60, 60)
    turned = Lattice(known.matrix[[2, 0, 1]] * 1.02)
    assert like_cell(turned, known).abc == pytest.approx([4.08] * 3)
    sheared = Lattice([known.matrix[0], known.matrix[1], known.matrix[2] + known.matrix[0]])
    assert like_cell(sheared, known).abc == pytest.approx([4.0] * 3)
    assert like_cell(Lattice.cubic(2.9), known) is None


def test_structures_match_whatever_their_volume_and_setting():
    assert matches(rocksalt("Na", "Cl", 5.6), rocksalt("Na", "Cl", 6.6))
    assert not matches(rocksalt("Na", "Cl", 5.6), caesium_chloride("Na", "Cl", 3.5))


def test_the_files_say_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    results, _ = made_up_generation.write(tmp_path)
    general = tmp_path / "general.csv"
    general.write_text(
        "id,a,b,c,alpha,beta,gamma,species,frac,formation_energy_per_atom,spacegroup\n"
        "g-0,4,4,4,90,90,90,Ba Zr O O O,0 0 0 .5 .5 .5 .5 .5 0 .5 0 .5 0 .5 .5,-3.3,62\n"
    )
    assert main(["table4", *made_up_generation.RUN, "--general", str(general)]) == 0
    text = (results / "table4.md").read_text()
    assert text in capsys.readouterr().out
    assert "| CaTiO3 ✓ | 3, 3 | yes | 0.10 | 0.10 | 0.10 |" in text
    assert f"| MAE, paper | 14 formulas | – | {TABLE4_MAE.a:.2f} | 0.46 | 0.50 | – | 0.16 | 0.40 | – | 121.87 |" in text
    assert "4 valid candidates have one of 2 formulas" in text and "1 more formulas, 1 of them filtered" in text
    with open(results / "table4.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["formula"] for row in rows] == ["CaTiO3", "KCl"] and rows[0]["bulk_modulus"].startswith("30")
    with open(results / "table4_polymorphs.csv", newline="") as file:
        assert [row["formula"] for row in csv.DictReader(file)] == ["BaZrO3"]
