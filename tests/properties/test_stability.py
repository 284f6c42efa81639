"""Energy above the hull with its error: numbers by hand, the command on files, and what cannot be said."""

import csv
from pathlib import Path

import keras
import numpy as np
import pytest
from pymatgen.core import Composition

from data_prep.element_features import element_features
from data_prep.hull.convex_hull import Hull, Phase
from data_prep.hull.table import load_hull
from models.cgcnn import build_cgcnn, set_target_scale
from models.table6 import CGCNNParameters
from repro.__main__ import main
from repro.properties.network_folder import write_property_networks
from repro.properties.stability import COLUMNS, stability
from tests.support.exit_code import exit_code
from tests.support.structure_types import perovskite, rock_salt

HULL = Hull([Phase("Al", 0.0), Phase("Ni", 0.0), Phase("Ti", 0.0), Phase("AlNi", -0.7, "mp-1")])
PEROVSKITE = perovskite("Sr", "Ti", "O", 3.9)


def test_distance_interval_and_probability():
    (row,) = stability(["NiAl"], [-0.6], [0.1], HULL)
    assert list(row) == list(COLUMNS)
    assert row["e_above_hull"] == pytest.approx(0.1) and row["probability_within_0.1"] == pytest.approx(0.5)
    assert (row["e_above_hull_low"], row["e_above_hull_high"]) == pytest.approx((0.1 - 0.16449, 0.1 + 0.16449))
    assert row["decomposition"] == "AlNi" and row["hull_covered"] is True
    rows = stability(["NiAl"] * 3, [-0.7, -0.5, -0.9], [0.05] * 3, HULL)
    assert [round(one["probability_within_0.1"], 3) for one in rows] == [0.977, 0.023, 1.0]
    assert rows[2]["e_above_hull"] == pytest.approx(-0.2)  # below all that is known


def test_structures_compositions_and_formulas_are_taken():
    ways = [rock_salt("Ni", "Al", 2.9), Composition("Al2Ni2"), "Al Ni"]
    assert [row["e_above_hull"] for row in stability(ways, [-0.6] * 3, [0.1] * 3, HULL)] == pytest.approx([0.1] * 3)


def test_what_is_missing_is_left_blank():
    no_width, no_energy, no_number = stability(["AlNi"] * 3, [-0.6, None, np.nan], [None, 0.1, 0.1], HULL)
    assert no_width["e_above_hull"] == pytest.approx(0.1)
    assert no_width["e_above_hull_low"] is None and no_width["probability_within_0.1"] is None
    for row in (no_energy, no_number):
        assert row["e_above_hull"] is None and row["probability_within_0.1"] is None
        assert row["decomposition"] == "AlNi" and row["hull_covered"]
    uncovered, unknown = stability(["AlTi", "AmO2"], [-0.2, -3.0], [0.1, 0.1], HULL)
    assert uncovered["hull_covered"] is False and uncovered["e_above_hull"] == pytest.approx(-0.2)
    assert set(unknown.values()) == {None}
    (sure,) = stability(["AlNi"], [-0.6], [0.0], HULL)
    assert sure["probability_within_0.1"] in (0.0, 1.0)


def network(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = build_cgcnn(TINY, element_features())
    set_target_scale(model, np.array([-2.5, -0.5]))
    return model


TINY = CGCNNParameters(atom_features=8, hidden=16)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Two untrained networks of the formation energy, never calibrated."""
    folder = tmp_path_factory.mktemp("weights") / "cgcnn"
    networks = {"formation_energy_per_atom": [network(0), network(1)]}
    write_property_networks(folder, networks, TINY, {}, {"source": "made up"})
    return folder


@pytest.fixture
def files(tmp_path) -> list[str]:
    PEROVSKITE.to(str(tmp_path / "titanate.cif"), fmt="cif")
    rock_salt("Mg", "O", 4.2).to(str(tmp_path / "POSCAR-magnesia"), fmt="poscar")
    return [str(tmp_path / "titanate.cif"), str(tmp_path / "POSCAR-magnesia")]


def test_files_without_a_calibration_have_no_interval(files, weights, tmp_path, capsys):
    out = tmp_path / "hull.csv"
    assert exit_code(main, ["hull", *files, "--weights", str(weights), "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert "is not calibrated" in printed.out and "2 crystals, 0 left out" in printed.out
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["formula"] for row in rows] == ["SrTiO3", "MgO"]
    for row in rows:
        above = float(row["e_above_hull (eV/atom)"])
        known = load_hull().at(Composition(row["formula"])).energy
        assert above == pytest.approx(float(row["formation_energy_per_atom (eV/atom)"]) - known, abs=2e-3)
        assert row["e_above_hull_low (eV/atom)"] == row["probability_within_0.1"] == ""
        assert row["decomposition"] == row["formula"] and row["hull_covered"] == "True"
        assert row["warning"] and float(row["formation_energy_spread (eV/atom)"]) > 0


def test_what_cannot_be_placed_is_named_and_left_out(files, weights, tmp_path, capsys):
    rock_salt("Po", "O", 5.0).to(str(tmp_path / "polonia.cif"), fmt="cif")
    (tmp_path / "empty.cif").write_text("")
    bad = [str(tmp_path / "polonia.cif"), str(tmp_path / "empty.cif")]
    assert exit_code(main, ["hull", files[0], *bad, "--weights", str(weights)]) == 2  # of a file there was nothing
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1].startswith(f"{bad[1]} was not read as a whole")
    assert "polonia.cif: left out, no reference: PoO: the hull of" in printed.err and "reference of Po" in printed.err
    assert "empty.cif: left out" in printed.err and "titanate.cif" in printed.out
    assert exit_code(main, ["hull", *bad, "--weights", str(weights), "--out", str(tmp_path / "none.csv")]) == 2
    assert "nothing can be said of any crystal; all 2 were left out" in capsys.readouterr().err
    assert not (tmp_path / "none.csv").exists()


@pytest.mark.slow
def test_the_published_networks_on_known_crystals(files, capsys):
    assert exit_code(main, ["hull", *files]) == 0
    shown = capsys.readouterr().out
    lines = {
        line.split()[0]: line.split()
        for line in shown.splitlines()
        if line.split()[0] in ("titanate.cif", "POSCAR-magnesia")
    }
    for words in lines.values():
        formation, above, low, high, probability = map(float, words[2:7])
        assert -4 < formation < -2.5 and abs(above) < 0.4 and low < above < high and 0 <= probability <= 1
        assert words[7:] == [words[1], "True"]
    assert "low and high bound the 90 % interval" in shown
