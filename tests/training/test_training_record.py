"""The record beside published weights: of a training here, one that was resumed, and one from elsewhere."""

import csv
import json
from pathlib import Path

import pytest

from data_prep.files.atomic import write_json, write_text
from repro.presets import LAPTOP
from repro.run import Run
from repro.training.training_record import kilowatt_hours, write_record

RUN = Run(LAPTOP, "crystals.csv", "test", Path("nowhere"))
STAMP = {
    "identity": "a", "config": {}, "inputs": {}, "seconds": 55.2, "commit": "abc", "finished": "2026-11-28T02:31:48Z",
    "machine": {"cores": 2, "gpu": None}, "versions": {"keras": "3"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def recorded(folder, stage: str, counts: dict, pattern: str = "") -> dict:
    write_json(RUN.folder(stage) / "done.json", STAMP | {"counts": counts})
    write_record(folder, RUN, {stage: pattern})
    return json.loads((folder / "training.json").read_text())[stage]


def test_a_training_here_has_its_machine_commit_and_energy(tmp_path):
    write_text(RUN.folder("train-vae") / "history.csv", "epoch,loss,val_loss\n1,2.0,3.0\n")
    found = recorded(tmp_path / "weights", "train-vae", {"seconds": 7200, "samples": 10})
    assert (found["commit"], found["machine"], found["seconds"]) == ("abc", {"cores": 2, "gpu": None}, 7200)
    assert found["kwh_estimate"] == pytest.approx(2 * 15 * 2 / 1000)  # two cores of 15 W for two hours
    with open(tmp_path / "weights/history.csv", newline="") as file:
        assert list(csv.DictReader(file)) == [{"network": "train-vae", "epoch": "1", "loss": "2.0", "val_loss": "3.0"}]


def test_a_resumed_training_of_several_networks_counts_all_sittings(tmp_path):
    networks = {"band_gap": {"epochs": 16, "seconds": 1425}, "bulk_modulus": {"epochs": 16, "seconds": 1425}}
    found = recorded(tmp_path, "train-cgcnn", {"networks": networks}, "*/")
    assert found["seconds"] == 2850 and found["kwh_estimate"] == pytest.approx(0.0238, abs=1e-4)


def test_a_training_elsewhere_has_only_what_its_log_said_and_no_history_of_other_networks(tmp_path):
    write_text(tmp_path / "history.csv", "of other networks")
    counts = {"seconds": 320, "samples": 256160, "card": "NVIDIA H200", "imported": {"unet.npz": "ea"}}
    found = recorded(tmp_path, "train-unet", counts)
    assert found["counts"] == counts and found["kwh_estimate"] == pytest.approx(700 * 320 / 3.6e6, abs=1e-4)
    assert {found[name] for name in ("commit", "machine", "finished", "versions")} == {None}
    assert not (tmp_path / "history.csv").exists()


def test_the_energy_is_that_of_the_card_or_of_the_cores():
    assert kilowatt_hours(3600, {"cores": 8, "gpu": None}) == pytest.approx(0.12)
    assert kilowatt_hours(3600, {"cores": 8, "gpu": "a card"}) == kilowatt_hours(3600, None, "a card") == 0.7
    assert kilowatt_hours(3600, None) == pytest.approx(0.03)
