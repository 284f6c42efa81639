"""Table 3 from candidates relaxed with EMT: what is counted, written and shown in the report."""

import csv
import json
from types import SimpleNamespace

import pytest
from pymatgen.core import Lattice, Structure

from data_prep.files.atomic import write_json, write_text
from experiments import table3
from experiments.reporting.material import gather
from experiments.reporting.stored_sections import table_3
from experiments.stored import identity_of_generation
from experiments.stored_generation import WAYS
from repro.relaxation import calculator as calculators
from repro.relaxation import relaxation_verdict as verdict
from repro.relaxation.calculation_store import Store
from repro.relaxation.espresso import Dft
from tests.support.emt import Emt, b2
from tests.support.exit_code import exit_code
from tests.support.exit_code import run_experiment as experiments
from tests.support.made_up_run import made_up_run


def candidate(name: str, family: str, predicted: float, way: str) -> dict:
    return {"id": name, "base": "AlNi", "family": family, "sampling": way, "spacegroup": "221", "n_sites": "2",
            "min_distance": "2.5", "base_energy": "-0.6", "formation_energy_per_atom": str(predicted)}  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    structures = {"one": b2("Al", "Ni", 3.0), "two": b2("Cu", "Au", 3.2), "far": b2("Na", "Cl", 3.2)}
    structures["close"] = Structure(Lattice.cubic(4), ["Cu", "Au"], [[0, 0, 0], [0.075, 0, 0]])
    ways = {"one": "noise", "two": "neighbours", "far": "neighbours", "close": "neighbours"}
    rows = [candidate(name, "AB", -0.4, way) for name, way in ways.items()]
    calculator = calculators.Calculator(Emt(), Store(tmp_path_factory.mktemp("store")), workers=0)
    return table3.compute(rows, structures, calculator)


@pytest.mark.slow
def test_table3_counts_changes_and_names_what_was_not_relaxed(table):
    part = table["groups"]["AB"]
    assert part["candidates"] == 4 and part["relaxed"] == 2
    assert part["others"] == {calculators.UNAVAILABLE: 1, verdict.TOO_CLOSE: 1}
    rows = {row["id"]: row for row in table["candidates"]}
    assert rows["one"]["formation_energy_difference"] == pytest.approx(abs(-0.4 - rows["one"]["formation_energy"]))
    assert part["cell_percent"]["mean"] == pytest.approx(
        (rows["one"]["cell_percent"] + rows["two"]["cell_percent"]) / 2
    )
    assert rows["far"]["reason"] and rows["far"]["formation_energy"] is None


@pytest.mark.slow
def test_each_way_of_sampling_has_a_row_by_itself(table):
    rows = {row["id"]: row for row in table["candidates"]}
    noise, neighbours = table["groups"]["noise"], table["groups"]["neighbours"]
    assert (noise["candidates"], noise["relaxed"], neighbours["candidates"], neighbours["relaxed"]) == (1, 1, 3, 1)
    assert noise["cell_percent"]["mean"] == pytest.approx(rows["one"]["cell_percent"])
    assert neighbours["cell_percent"]["mean"] == pytest.approx(rows["two"]["cell_percent"])
    assert [cells[:6] for cells in table3.cells(table)[3:]] == [
        ["all", "76", "6", "1.99", "0", "2 of 4"],
        ["the paper's way", "76", "6", "1.99", "0", "1 of 1"],
        ["neighbours", "–", "–", "–", "–", "1 of 3"],
    ]
    assert table3.summary(table).startswith("2 of 4 candidates converged (the paper's way 1 of 1, neighbours 1 of 3).")


def test_table3_is_headed_as_surrogate_and_keeps_to_its_own_files(table, tmp_path):
    table3.render(table, tmp_path / "table3")
    text = (tmp_path / "table3.md").read_text()
    assert text.startswith("**Surrogate numbers") and "not by DFT" in text
    assert "| perovskites (ABX3) | 30 | 5.23 | 0.57 | 0 | 0 of 0 |" in text and "2 of 4" in text
    assert not (tmp_path / "table3_dft.json").exists()
    assert sorted(path.name for path in (tmp_path / "table3_relaxed").iterdir()) == ["one.cif", "two.cif"]
    with open(tmp_path / "table3_candidates.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 and rows[0]["relaxed"] == "table3_relaxed/one.cif"
    assert "records" not in json.loads((tmp_path / "table3.json").read_text())


def test_energies_of_pw_x_are_said_to_have_no_corrections(table):
    dft = SimpleNamespace(method=Dft("pseudos"), with_elements=lambda structures, what: ({}, {}))
    note = table3.compute([], {}, dft)["note"]
    assert note.startswith(table["note"]) and "those of pw.x do not" in note and "pw.x" not in table["note"]


def test_table3_says_to_make_table2_first(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert exit_code(experiments, ["table3", "--run", "test"]) == 2
    assert "make table2" in capsys.readouterr().err


def test_table3_refuses_the_candidates_of_an_earlier_generation(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "results/test"
    write_text(results / "generate/candidates.csv", "id\nnew\n")
    write_text(results / "table2_candidates.csv", "id,selected\nold,True\n")
    write_text(results / "table2.json", '{"identity": "of before"}')
    assert exit_code(experiments, ["table3", "--run", "test"]) == 2
    assert "table2_candidates.csv is of an earlier generation: run 'make table2' again" in capsys.readouterr().err


def test_table3_refuses_a_selection_without_neighbours_of_an_earlier_version(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "results/test"
    write_text(results / "generate/candidates.csv", "id\nnew\n")
    write_text(results / "table2_candidates.csv", "id,selected\nold,True\n")
    write_json(results / "table2.json", {"identity": identity_of_generation(results), "selected": 1})
    assert exit_code(experiments, ["table3", "--run", "test"]) == 2
    expected = "table2_candidates.csv is of an earlier version, which selected no neighbours: run 'make table2' again."
    assert expected in capsys.readouterr().err


def test_the_report_shows_table3_beside_the_papers_and_says_when_it_is_old(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = made_up_run()
    assert "make table3" in table_3(gather(run)).blocks[0].text
    table3.render(table | {"identity": ""}, run.results / "table3")
    section = table_3(gather(run))
    shown, every = (block for block in section.blocks if block.kind == "table")
    assert shown.rows[2][:5] == ("binaries (AB)", "24", "10.88", "2.65", "0") and shown.rows[2][5] == "2 of 4"
    assert [row[0] for row in shown.rows[3:]] == ["all", "the paper's way", "neighbours"]
    assert [row[2] for row in every.rows] == ["the paper's way", "neighbours", "neighbours", "neighbours"]
    assert "not by DFT" in shown.caption and "not by DFT" in every.caption
    assert [row[-1] for row in every.rows] == ["converged", "converged", calculators.UNAVAILABLE, verdict.TOO_CLOSE]
    before = {name: part for name, part in table["groups"].items() if name not in WAYS}
    rows = [{name: row[name] for name in row if name != "sampling"} for row in table["candidates"]]
    table3.render(table | {"identity": "", "groups": before, "candidates": rows}, run.results / "table3")
    shown, every = (block for block in table_3(gather(run)).blocks if block.kind == "table")  # of an earlier version
    assert shown.rows[-1][0] == "all" and {row[2] for row in every.rows} == {"–"}
    table3.render(table | {"identity": "another generation"}, run.results / "table3")
    assert "out of date" in table_3(gather(run)).blocks[0].text
