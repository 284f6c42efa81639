"""Table 1: our errors beside the paper's and the released networks', in three files that agree."""

import csv
import json
from pathlib import Path

import pytest

from data_prep.files.atomic import write_json
from experiments import table1
from experiments.paper import TABLE1
from tests.support.exit_code import run_experiment as main

PAPER = {row.property: row for row in TABLE1}
TITLES = {
    "formation_energy_per_atom": "formation energy", "band_gap": "band gap", "bulk_modulus": "bulk modulus",
    "refractive_index": "refractive index",
}  # fmt: skip
FIELDS = ("property", "unit", "mae", "smape", "n_train", "n_test", "baseline_mae", "released_alone_mae",
          "released_batch_mae", "paper_mae")  # fmt: skip


def measured_row(name: str, unit: str, mae: float, n_test: int, **more) -> dict:
    """A row as the stage evaluate-properties writes it."""
    return {
        "property": name, "unit": unit, "mae": mae, "mae_interval": [0.9 * mae, 1.1 * mae], "median_error": 0.8 * mae,
        "smape": 200 * mae, "r2": 1 - mae, "n_train": 5 * n_test, "n_validation": n_test // 2, "n_test": n_test,
        "baseline_mae": 4 * mae,
    } | more  # fmt: skip


def measured_properties() -> dict:
    """A made-up ``properties.json``: four properties, one with released weights, two networks of formation energy."""
    mean = {"networks": 2, "mean_of_networks_mae": 0.045}
    released = {"alone_filled_mae": 0.31, "alone_masked_mae": 0.32, "batch_filled_mae": 0.11, "batch_masked_mae": 0.12}
    bins = [{"count": 15, "spread": s, "mae": 0.8 * s, "rmse": 1.1 * s} for s in (0.02, 0.04, 0.09)]
    return {
        "rows": [
            measured_row("formation_energy_per_atom", "eV/atom", 0.05, 2400, **mean),
            measured_row("band_gap", "eV", 0.4, 1234),
            measured_row("bulk_modulus", "ln(GPa)", 0.15, 1000),
            measured_row("refractive_index", "", 0.2, 8),
        ],
        "data": {"used": 12_345, "rejected": {"overlapping_sites": 3}},
        "source": "crystals.csv", "preset": "smoke", "split_seed": 0, "split_by": "formula",
        "versions": {"keras": "3.15.0"},
        "released": {"formation_energy_per_atom": released},
        "calibration": {"networks": 2, "rank_correlation": 0.5, "bins": bins},
    }  # fmt: skip


RUN = ("--run", "made-up")


@pytest.fixture
def results(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = Path("results/made-up")
    write_json(folder / "properties.json", measured_properties())
    return folder


def markdown_cells(text: str, title: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    header, row = ([cell.strip() for cell in line.split("|")[1:-1]] for line in (lines[0], _row(lines, title)))
    return dict(zip(header, row, strict=True))


def _row(lines: list[str], title: str) -> str:
    return next(line for line in lines if line.startswith(f"| {title} |"))


def test_every_row_has_our_numbers_the_released_and_the_papers():
    measured = measured_properties()
    table = table1.compute(measured)
    assert [row["property"] for row in table["rows"]] == list(TITLES)
    for row, ours in zip(table["rows"], measured["rows"], strict=True):
        assert set(FIELDS) <= set(row)
        assert {name: row[name] for name in ours} == ours
        printed = PAPER[TITLES[row["property"]]]
        assert (row["paper_mae"], row["paper_smape"]) == (printed.mae, printed.smape)
        assert (row["paper_train"], row["paper_test"]) == (printed.train, printed.test)
    released = [(row["released_alone_mae"], row["released_batch_mae"]) for row in table["rows"]]
    assert released == [(0.31, 0.11), (None, None), (None, None), (None, None)]
    assert table["rows"][0]["released_batch_masked_mae"] == 0.12
    assert table["source"] == "crystals.csv" and table["split_by"] == "formula" and table["data"]["used"] == 12_345


def test_properties_without_a_network_are_named():
    table = table1.compute(measured_properties())
    assert table["missing"] == ["energy_per_atom", "shear_modulus", "poisson_ratio", "dielectric_constant"]
    whole = measured_properties()
    whole["rows"] += [measured_row(name, "", 0.1, 10) for name in table["missing"]]
    assert table1.compute(whole)["missing"] == []


def test_json_csv_and_markdown_agree(results, capsys):
    assert main(["table1", *RUN]) == 0
    text = (results / "table1.md").read_text()
    assert text in capsys.readouterr().out
    stored = json.loads((results / "table1.json").read_text())
    assert stored == json.loads(json.dumps(table1.compute(measured_properties())))
    with open(results / "table1.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(FIELDS) <= set(rows[0])
    for row, line in zip(stored["rows"], rows, strict=True):
        for name, value in row.items():
            assert line[name] == ("" if value is None else str(value)), name
        cells = markdown_cells(text, TITLES[row["property"]])
        assert float(cells["MAE, ours"]) == row["mae"] and float(cells["MAE, paper"]) == row["paper_mae"]
        assert float(cells["SMAPE %, ours"]) == row["smape"] and float(cells["SMAPE %, paper"]) == row["paper_smape"]
        assert float(cells["guess"]) == row["baseline_mae"]
        assert cells["train"] == f"{row['n_train']:,}" and cells["test, paper"] == f"{row['paper_test']:,}"
    assert rows[1]["networks"] == ""  # only formation energy has several


def test_markdown_shows_intervals_units_and_what_was_not_measured(results):
    table1.render(table1.compute(measured_properties()), results / "table1")
    text = (results / "table1.md").read_text()
    energy = markdown_cells(text, "formation energy")
    assert energy["95 %"] == "0.045–0.055" and energy["mean of several"] == "0.0450 (2)"
    assert energy["unit"] == "eV/atom" and (energy["released, alone"], energy["released, 256"]) == ("0.310", "0.110")
    index = markdown_cells(text, "refractive index")
    assert index["unit"] == "–" and index["released, alone"] == "–" and index["test"] == "8"
    named = "Not trained, for want of labels in this source: total energy, shear modulus, Poisson ratio, dielectric"
    assert named in text


def test_an_interval_that_could_not_be_had_does_not_stop_the_table(results):
    measured = measured_properties()
    measured["rows"][3]["mae_interval"] = [None, None]  # as JSON keeps NaN
    table1.render(table1.compute(measured), results / "table1")
    assert markdown_cells((results / "table1.md").read_text(), "refractive index")["95 %"] == "nan–nan"


def test_rendering_twice_gives_the_same_files(results):
    contents = []
    for _ in range(2):
        main(["table1", *RUN])
        contents.append([(results / f"table1.{suffix}").read_bytes() for suffix in ("json", "csv", "md")])
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "run the stage 'evaluate-properties' first"), ('{"rows": [', "is damaged"), ("", "is damaged")],
    ids=["missing", "cut short", "empty"],
)
def test_without_a_readable_measurement_it_says_what_to_run(results, capsys, content, said):
    path = results / "properties.json"
    path.unlink() if content is None else path.write_text(content)
    assert main(["table1", *RUN]) == 2
    error = capsys.readouterr().err
    assert said in error and str(path) in error and error.count("\n") == 1
    assert not (results / "table1.md").exists()
