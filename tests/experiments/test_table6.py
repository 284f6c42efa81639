"""Table 6: the code's defaults are the paper's hyperparameters."""

import csv
import json

from experiments import table6
from experiments.paper import TABLE6
from models.table6 import VAEParameters
from repro.presets import LAPTOP, PAPER
from tests.support.exit_code import run_experiment as main


def test_every_printed_hyperparameter_is_the_codes_default():
    rows = table6.compute()
    assert [row.parameter for row in rows] == list(TABLE6)
    assert all(row.equal and row.ours == TABLE6[row.parameter] for row in rows)


def test_the_paper_preset_changes_none_of_them():
    parts = {type(part): part for part in (PAPER.vae, PAPER.unet, PAPER.cgcnn)}
    for parameter, (owner, field) in table6.FIELDS.items():
        assert getattr(parts[owner], field) == TABLE6[parameter]
    assert LAPTOP.vae.learning_rate != TABLE6["VAE learning rate"]  # the short preset does, and must show it


def test_a_changed_default_is_shown_as_unequal(monkeypatch, tmp_path):
    changed = type("Changed", (), {"__name__": "Changed", "beta": 3e-4})  # the release's constructor (F14)
    monkeypatch.setitem(table6.FIELDS, "β", (changed, "beta"))
    table6.render(table6.compute(), tmp_path / "table6")
    assert "| β | 0.0005 | 0.0003 | no |" in (tmp_path / "table6.md").read_text()


def test_all_three_files_hold_the_same_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["table6", "--run", "test"]) == 0
    stored = json.loads((tmp_path / "results/test/table6.json").read_text())
    with open(tmp_path / "results/test/table6.csv", newline="") as file:
        listed = list(csv.DictReader(file))
    assert [float(row["ours"]) for row in listed] == [row["ours"] for row in stored]
    assert stored[1] == {
        "parameter": "β", "paper": 0.0005, "ours": VAEParameters().beta, "equal": True, "field": "VAEParameters.beta",
    }  # fmt: skip
    assert (tmp_path / "results/test/table6.md").read_text().count("\n") == 2 + len(TABLE6)
    assert "8 of 8 as in the paper" in capsys.readouterr().out


def test_without_a_run_it_is_of_the_laptop_preset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["table6"]) == 0
    assert (tmp_path / "results/laptop/table6.md").exists()
