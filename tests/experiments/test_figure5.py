"""Figure 5 and the calibration: what is drawn is what was measured, in files that do not vary."""

import json
from pathlib import Path

import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from experiments import figure5
from tests.experiments.test_table1 import RUN, measured_properties
from tests.support.exit_code import run_experiment as main

PIXELS = b"\x89PNG\r\n\x1a\n"


def predictions(counts: dict[str, int]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {}
    for place, (name, count) in enumerate(counts.items()):
        true = rng.normal(place, 2.0, count).astype("float32")
        arrays |= {f"{name}_true": true, f"{name}_predicted": true + rng.normal(0, 0.3, count).astype("float32")}
    return arrays


@pytest.fixture
def results(tmp_path, monkeypatch) -> Path:
    """A results folder with one property of 8 test crystals and three of many."""
    monkeypatch.chdir(tmp_path)
    folder, measured = Path("results/made-up"), measured_properties()
    write_json(folder / "properties.json", measured)
    arrays = predictions({row["property"]: row["n_test"] for row in measured["rows"]})
    np.savez_compressed(folder / "properties_test.npz", **arrays)
    return folder


def test_each_panel_joins_its_row_and_its_predictions(results):
    panels = figure5.compute(measured_properties(), results / "properties_test.npz")
    arrays = np.load(results / "properties_test.npz")
    assert list(panels) == ["formation_energy_per_atom", "band_gap", "bulk_modulus", "refractive_index"]
    for name, panel in panels.items():
        np.testing.assert_array_equal(panel["true"], arrays[f"{name}_true"])
        np.testing.assert_array_equal(panel["predicted"], arrays[f"{name}_predicted"])
    assert [panel["mae"] for panel in panels.values()] == [0.05, 0.4, 0.15, 0.2]
    assert [panel["r2"] for panel in panels.values()] == [0.95, 0.6, 0.85, 0.8]


def test_drawing_twice_gives_the_same_files(results):
    contents = []
    for _ in range(2):
        assert main(["figure5", *RUN]) == 0
        contents.append([(results / f"figure5.{suffix}").read_bytes() for suffix in ("svg", "png", "json")])
    assert contents[0] == contents[1]
    assert b"<svg" in contents[0][0] and contents[0][1].startswith(PIXELS)
    assert contents[0][0].count(b"<image") == 3  # densities; the property of eight crystals is drawn as points


def test_error_count_and_unit_of_each_panel_are_printed(results, monkeypatch):
    monkeypatch.setitem(figure5.style.SETTINGS, "svg.fonttype", "none")  # text as text, not as outlines
    main(["figure5", *RUN])
    text = (results / "figure5.svg").read_text()
    for shown in (
        "MAE 0.050",
        "R² 0.950",
        "n = 2,400",
        "formation energy (eV/atom)",
        "MAE 0.400 [",
        "R² 0.600",
        "n = 8",
    ):
        assert shown in text, shown
    assert ">refractive index<" in text  # no empty brackets where there is no unit
    stored = json.loads((results / "figure5.json").read_text())
    assert stored["bulk_modulus"] == {
        "unit": "ln(GPa)",
        "count": 1000,
        "mae": 0.15,
        "mae_interval": [0.135, 0.165],
        "r2": 0.85,
    }


@pytest.mark.parametrize("predicted", [[1.0, 1.5], [2.0, 2.0]], ids=["two points", "all alike"])
def test_a_property_of_two_crystals_is_still_drawn(tmp_path, predicted):
    panel = {"true": np.array([2.0, 2.0]), "predicted": np.array(predicted), "mae": 0.75, "r2": -1.0}
    figure5.render({"band_gap": panel}, tmp_path / "figure5")
    assert (tmp_path / "figure5.png").read_bytes().startswith(PIXELS)
    assert json.loads((tmp_path / "figure5.json").read_text())["band_gap"]["count"] == 2


def test_labels_that_are_all_alike_have_no_r2(tmp_path):
    panel = {"true": np.zeros(3), "predicted": np.array([0.0, 0.1, 0.2]), "mae": 0.1, "r2": None}
    figure5.render({"band_gap": panel}, tmp_path / "figure5")
    assert "R² –" in figure5.caption(panel)
    assert json.loads((tmp_path / "figure5.json").read_text())["band_gap"]["r2"] is None


def test_one_far_outlier_does_not_flatten_the_others():
    from matplotlib.figure import Figure

    true = np.linspace(0.0, 1.0, 2000)
    predicted = np.append(true[:-1], 1e6)
    axes = Figure().add_subplot()
    figure5.draw_parity(axes, true, predicted)
    low, high = axes.get_xlim()
    assert low == pytest.approx(0, abs=0.01) and high == pytest.approx(1, abs=0.01)
    assert axes.get_xlim() == axes.get_ylim()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.unlink(), "run the stage 'evaluate-properties' first"),
        (lambda path: path.write_bytes(path.read_bytes()[:500]), "is damaged"),
        (lambda path: path.write_bytes(b""), "is damaged"),
        (lambda path: path.write_text("no archive"), "is damaged"),
        (lambda path: np.save(path.open("wb"), np.zeros(3)), "is damaged"),
        (lambda path: np.savez(path, band_gap_true=np.zeros(3)), "is damaged"),
    ],
    ids=["missing", "cut short", "empty", "text", "bare array", "of another run"],
)
def test_without_readable_predictions_it_says_what_to_run(results, capsys, make, said):
    make(results / "properties_test.npz")
    with pytest.raises(InputError, match="properties_test.npz"):
        figure5.compute(measured_properties(), results / "properties_test.npz")
    assert main(["figure5", *RUN]) == 2
    assert said in capsys.readouterr().err
    assert not (results / "figure5.svg").exists()


def test_the_calibration_draws_the_measured_bins(results):
    contents = []
    for _ in range(2):
        assert main(["calibration", *RUN]) == 0
        contents.append([(results / f"calibration.{suffix}").read_bytes() for suffix in ("svg", "png", "json")])
    assert contents[0] == contents[1]
    assert contents[0][1].startswith(PIXELS)
    stored = json.loads(contents[0][2])
    assert stored == measured_properties()["calibration"]
    assert [part["rmse"] for part in stored["bins"]] == pytest.approx([0.022, 0.044, 0.099])


def test_one_network_has_no_calibration_and_stops_nothing(results, capsys):
    measured = measured_properties()
    del measured["calibration"]
    write_json(results / "properties.json", measured)
    assert main(["calibration", *RUN]) == 0
    assert "fewer than two networks" in capsys.readouterr().out
    assert not (results / "calibration.svg").exists()
