"""Table 2: the six filters in the paper's order, counted by hand, and the candidates that are left."""

import csv
import json
from pathlib import Path

import pytest

from data_prep.errors import InputError
from experiments import table2
from experiments.paper import TABLE2
from tests.support import made_up_generation
from tests.support.exit_code import run_experiment as main


@pytest.fixture
def results(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return made_up_generation.write(tmp_path)[0]


@pytest.fixture
def table(tmp_path):
    return table2.compute(made_up_generation.generation(tmp_path))


def counts(table: dict, group: str, key: str) -> list[float]:
    return [step[key] for step in table["groups"][group]["steps"]]


def test_each_filter_leaves_what_was_counted_by_hand(table):
    by_base = {base["base"]: list(base["counts"].values()) for base in table["bases"]}
    assert by_base == {"SrTiO3": [10, 8, 7, 6, 4, 3], "NaCl": [10, 10, 10, 0, 0, 0]}
    assert counts(table, "all", "mean") == [10, 9, 8.5, 3, 2, 1.5]
    assert counts(table, "all", "percent") == [100, 90, 85, 30, 20, 15]
    assert counts(table, "ABX3", "mean") == [10, 8, 7, 6, 4, 3]
    assert counts(table, "AB", "percent") == [100, 100, 100, 0, 0, 0]
    assert list(table["groups"]) == ["all", "AB", "ABX3"]  # no base of the third family
    assert table["groups"]["all"]["bases_with_candidates"] == 1
    assert [base["undecodable"] for base in table["bases"]] == [0, 1]


def test_the_steps_and_the_papers_numbers_stand_in_its_order(table):
    assert [step["step"] for step in table["groups"]["all"]["steps"]] == [row.step for row in TABLE2]
    assert [step["samples"] for step in table["paper"]["steps"]] == [1000, 890, 350, 250, 60, 20]
    assert table["paper"]["selected"] == 76


def test_intervals_are_of_the_mean_over_the_bases(table):
    low, high = table["groups"]["all"]["steps"][5]["interval"]
    assert (low, high) == (0, 3)
    assert table["groups"]["AB"]["steps"][5]["interval"] is None  # one base has no spread


def test_of_equal_compositions_the_lowest_energy_stays_and_actinides_are_not_selected(table):
    found = {row["formula"]: row for row in table["candidates"]}
    assert set(found) == {"CaTiO3", "ThTiO3", "BaZrO3"}
    assert found["CaTiO3"]["id"] == "SrTiO3-k-0-00004" and found["CaTiO3"]["formation_energy_per_atom"] == -3.5
    assert found["CaTiO3"]["difference"] == pytest.approx(-1 / 6)
    assert [found[name]["selected"] for name in ("CaTiO3", "ThTiO3", "BaZrO3")] == [True, False, True]
    assert found["ThTiO3"]["actinide"] and table["selected"] == {"noise": 2}


def around_srtio3() -> list[dict]:
    return [row for row in made_up_generation.samples() if row["target"] == "SrTiO3-k-0"]


def thirteen_perovskites() -> list[dict]:
    """Samples around SrTiO3 that pass every filter, ever farther from its energy."""
    metals = ["Mg", "Ca", "Sc", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Y", "Zr"]
    rows = [dict(around_srtio3()[9]) for _ in metals]
    for place, (row, metal) in enumerate(zip(rows, metals, strict=True)):
        structure = made_up_generation.perovskite("Rb", metal, 4.1)
        row |= {"id": f"x-{place:02d}", "structure": structure, "formula": structure.composition.reduced_formula}
        row |= {"formation_energy_per_atom": -3.0 - 0.04 * place}
    return rows


def as_neighbours(rows: list[dict]) -> list[dict]:
    way = {"target": "SrTiO3-k-0-neighbours", "sampling": "neighbours"}
    return [row | way | {"id": f"near-{row['id']}"} for row in rows]


@pytest.fixture(scope="module")
def both_ways(tmp_path_factory):
    rows = made_up_generation.samples() + as_neighbours(around_srtio3()[1:] + thirteen_perovskites())
    return made_up_generation.generation(tmp_path_factory.mktemp("both"), rows)


def test_at_most_ten_of_a_base_are_selected(tmp_path):
    rows = around_srtio3()[:1] + thirteen_perovskites()
    table = table2.compute(made_up_generation.generation(tmp_path, rows))
    assert len(table["candidates"]) == 13 and table["selected"] == {"noise": 10}
    assert [row["selected"] for row in table["candidates"]] == [True] * 10 + [False] * 3  # the closest come first


def test_neighbours_are_filtered_and_selected_by_themselves(both_ways, table):
    found = table2.compute(both_ways)
    assert counts(found, "neighbours", "mean") == [22, 21, 20, 19, 17, 16]
    for group in ("all", "AB", "ABX3"):  # of the paper's way alone
        assert found["groups"][group] == table["groups"][group]
    assert found["candidates"][:3] == table["candidates"] and found["selected"] == {"noise": 2, "neighbours": 10}
    neighbours = table2.candidates_of(found, "neighbours")
    assert [row["sampling"] for row in found["candidates"]] == ["noise"] * 3 + ["neighbours"] * 16
    assert {row["formula"] for row in neighbours} > {row["formula"] for row in table["candidates"]}
    assert [row["id"] for row in neighbours if row["selected"]] == [f"near-x-{place:02d}" for place in range(10)]
    assert found["paper"]["selected"] == 76


def test_the_summary_counts_each_way_and_a_table_of_before_has_the_papers_alone(both_ways):
    found = table2.compute(both_ways)
    papers = (
        "The paper's way: 3 candidates of 3 formulas are left, around 1 of 2 bases; 2 of them are selected (paper: 76)."
    )
    assert table2.summary(found) == (
        f"{papers} Neighbours: 16 candidates of 16 formulas are left, around 1 of 1 bases; 10 of them are selected "
        "(our way of sampling, the paper has none)."
    )
    rows = [{name: row[name] for name in row if name != "sampling"} for row in found["candidates"][:3]]
    assert table2.summary(found | {"candidates": rows, "selected": 2}) == papers
    assert "| ours, the paper's way, 2 bases | % |" in table2.text(found) and "| neighbours, 1 base | % |" in (
        table2.text(found)
    )


def test_only_samples_of_the_papers_way_are_survivors(both_ways):
    assert table2.survivors(both_ways) == {"SrTiO3-k-0-00004", "SrTiO3-k-0-00007", "SrTiO3-k-0-00009"}


def test_the_energy_window_is_a_fifth_of_the_bases_energy():
    assert table2.near({"formation_energy_per_atom": -2.4}, -3.0) and table2.near(
        {"formation_energy_per_atom": -3.6}, -3.0
    )
    assert not table2.near({"formation_energy_per_atom": -2.39}, -3.0)
    assert not table2.near({"formation_energy_per_atom": None}, -3.0)


def test_json_csv_and_markdown_agree(results, capsys):
    assert main(["table2", *made_up_generation.RUN]) == 0
    text = (results / "table2.md").read_text()
    assert text in capsys.readouterr().out
    assert "| unique composition | 20 | 2 | 1.5 [0.0, 3.0] | 15.0 | 0.0 | 0.0 | 3.0 | 30.0 |" in text
    assert "3 candidates of 3 formulas are left, around 1 of 2 bases; 2 of them are selected (paper: 76)." in text
    with open(results / "table2.csv", newline="") as file:
        assert [float(row["all"]) for row in csv.DictReader(file)] == [10, 9, 8.5, 3, 2, 1.5]
    with open(results / "table2_candidates.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 and all((results / row["file"]).is_file() for row in rows)
    assert {row["sampling"] for row in rows} == {"noise"}


def test_drawing_again_reads_no_candidates(results):
    main(["table2", *made_up_generation.RUN])
    before = {name: (results / name).read_bytes() for name in ("table2.json", "table2.csv", "table2.md")}
    (results / "generate" / "candidates.csv").unlink()
    assert main(["table2", *made_up_generation.RUN, "--redraw"]) == 0
    assert before == {name: (results / name).read_bytes() for name in before}
    assert json.loads(before["table2.json"])["identity"]


def test_a_base_that_is_no_crystal_of_the_run_is_named(tmp_path):
    rows = [row | {"target": "MgO-k-9"} for row in made_up_generation.samples()[:3]]
    with pytest.raises(InputError, match="The base MgO-k-9 of .* is no crystal of this run"):
        table2.compute(made_up_generation.generation(tmp_path, rows))
