"""The calibrated width of predictions: its fit, its coverage, intervals in the table, and files that do not fit."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.element_features import element_features
from data_prep.errors import InputError
from data_prep.graphs import crystal_graph
from models.cgcnn import build_cgcnn
from models.table6 import CGCNNParameters
from repro.network_folders import (
    GENERATOR,
    PROPERTY_NETWORKS,
    WEIGHTS,
    WIDTHS,
    identity_of_networks,
    identity_of_predictions,
)
from repro.properties import calibrate as calibration
from repro.properties.calibrate import calibrate
from repro.properties.network_folder import write_property_networks
from repro.properties.prediction_widths import (
    DEVIATIONS,
    FEWEST,
    OTHER,
    Predicted,
    PropertyWidths,
    Width,
    fit_width,
    load_widths,
    measure_widths,
)
from repro.properties.property_data import PropertyData
from repro.run import Run
from tests.support.made_up_crystals import made_up_crystals
from tests.support.made_up_run import made_up_run


def predicted(count: int, seed: int, family: str = OTHER) -> Predicted:
    """Predictions with errors of width sqrt(0.03² + (2 spread)²), four times that for every tenth, which is unseen."""
    rng = np.random.default_rng(seed)
    spread, unseen = rng.uniform(0.005, 0.1, count), np.arange(count) % 10 == 9
    errors = rng.normal(0, np.hypot(0.03, 2 * spread) * np.where(unseen, 4, 1))
    return Predicted(rng.normal(0, 0.01, count), spread, errors, np.full(count, family), unseen)


def test_the_width_is_found_and_covers_what_it_says():
    seen = [part.only(~part.unseen) for part in (predicted(4000, 0), predicted(4000, 1))]
    width = fit_width(seen[0].errors, seen[0].values, seen[0].spread)
    assert width.floor == pytest.approx(0.03, abs=0.01) and width.factor == pytest.approx(2, abs=0.2)
    found = measure_widths(*seen).families[OTHER]
    assert found.coverage == pytest.approx(0.9, abs=0.02) and (found.validation, found.test) == (3600, 3600)


def test_an_error_that_grows_with_the_value_widens_the_interval():
    rng = np.random.default_rng(4)
    values = rng.uniform(0, 5, 3000)
    errors = rng.normal(0, 0.02 + 0.1 * values)
    width = fit_width(errors, values, np.zeros(3000))
    assert width.factor == 0 and width.slope == pytest.approx(0.1, rel=0.2)
    small, large = (
        np.abs(errors)[part] <= DEVIATIONS * width.of(values[part], 0.0) for part in (values < 1, values > 4)
    )
    assert small.mean() == pytest.approx(0.9, abs=0.05) and large.mean() == pytest.approx(0.9, abs=0.05)


def test_a_few_large_errors_widen_it_no_more_than_the_interval_needs():
    plain = predicted(1000, seed=2)
    wild = np.where(np.arange(1000) % 50 == 0, 5.0, plain.errors)
    for errors in (plain.errors, wild):
        width = fit_width(errors, plain.values, plain.spread)
        inside = np.abs(errors) <= DEVIATIONS * width.of(plain.values, plain.spread)
        assert inside.mean() == pytest.approx(0.9, abs=0.003)
        assert width.of(np.zeros(1), np.array([0.05]))[0] < 0.25


def test_few_crystals_give_a_wider_interval():
    errors = np.random.default_rng(0).normal(0, 1, 2000)
    few, many = (fit_width(errors[:count], np.zeros(count), np.zeros(count)) for count in (20, 2000))
    inside = (np.abs(errors[:20]) <= DEVIATIONS * few.floor).mean()
    assert inside >= 0.95 and many.floor == pytest.approx(1, abs=0.05)


def test_crystals_unlike_the_training_have_their_own_factor():
    found = measure_widths(predicted(3000, 0), predicted(3000, 1))
    assert found.unseen > 1.5 and found.unseen_test == 300
    assert found.unseen_coverage == pytest.approx(0.9, abs=0.06)
    few = measure_widths(predicted(10 * (FEWEST - 1), 0), predicted(3000, 1))
    assert few.unseen == 1.0 and few.unseen_coverage < 0.8


def test_each_family_has_its_own_width():
    parts = [
        Predicted(*(np.concatenate(pair) for pair in zip(vars(one).values(), vars(other).values(), strict=True)))
        for one, other in ((predicted(400, 5, "AB"), predicted(800, 6)), (predicted(400, 7, "AB"), predicted(800, 8)))
    ]
    assert set(measure_widths(*parts).families) == {"AB", OTHER}
    widths = PropertyWidths({"AB": Width(0.03, 2, 0, 9), OTHER: Width(0.1, 0, 0.5, 9)}, unseen=3.0)
    spread, seen = np.array([0.02, 0.02]), np.array([False, False])
    np.testing.assert_allclose(widths.of(np.zeros(2), spread, ["AB", "A2B3"], seen), [0.05, 0.1])
    np.testing.assert_allclose(widths.of(np.zeros(2), None, ["AB", "ABX3"], ~seen), [0.09, 0.3])
    np.testing.assert_allclose(widths.of(np.array([9.0, 2.0]), None, ["AB", "AB2"], seen), [0.03, np.hypot(0.1, 1)])


@pytest.mark.parametrize("folder", ["cgcnn", "cgcnn-improved"])
def test_all_eight_published_properties_are_calibrated(folder):
    widths = load_widths(WEIGHTS / folder)
    assert len(widths) == 8
    for name, one in widths.items():
        assert one.families[OTHER].test > 400
        few = name in ("refractive_index", "dielectric_constant")  # 406 validation crystals, which chose the epoch too
        assert one.families[OTHER].coverage == pytest.approx(0.9, abs=0.08 if few else 0.03), name
        assert all(width.coverage > 0.8 for width in one.families.values()), name


def test_a_source_of_one_family_alone_gives_every_other_crystal_the_width_of_all():
    found = measure_widths(predicted(200, 0, "AB"), predicted(100, 1, "AB")).families
    assert found.keys() == {"AB", OTHER} and (found[OTHER].test, found[OTHER].coverage) == (0, None)
    assert (found[OTHER].floor, found[OTHER].factor) == (found["AB"].floor, found["AB"].factor)


def test_networks_that_were_never_measured_have_none():
    assert load_widths(GENERATOR) == {}


def test_what_is_predicted_changes_with_the_widths_and_the_networks_do_not(tmp_path):
    folder = copy_with(tmp_path / "one", json.loads((PROPERTY_NETWORKS / WIDTHS).read_text()))
    networks, predictions = identity_of_networks(folder), identity_of_predictions(folder)
    (folder / WIDTHS).unlink()
    assert identity_of_networks(folder) == networks and identity_of_predictions(folder) != predictions


def copy_with(folder: Path, found: dict) -> Path:
    folder.mkdir()
    (folder / "manifest.json").write_text((PROPERTY_NETWORKS / "manifest.json").read_text())
    (folder / WIDTHS).write_text(json.dumps(found))
    return folder


def test_widths_of_other_networks_and_damaged_ones_are_refused(tmp_path):
    found = json.loads((PROPERTY_NETWORKS / WIDTHS).read_text())
    with pytest.raises(InputError, match="is of other networks than .* measure them with .* again"):
        load_widths(copy_with(tmp_path / "one", found | {"networks": "others"}))
    for number, broken in enumerate(({"AB": {"floor": 1}}, {"families": {}}, {"families": {"AB": {"floor": 1}}})):
        with pytest.raises(InputError, match="is damaged .*Error"):
            load_widths(copy_with(tmp_path / f"broken-{number}", found | {"properties": {"band_gap": broken}}))
    same = copy_with(tmp_path / "same", found)
    assert identity_of_networks(same) == found["networks"] and load_widths(same) == load_widths(PROPERTY_NETWORKS)


def test_networks_of_another_split_are_not_measured():
    run: Run = made_up_run()
    with pytest.raises(InputError, match="was trained on mp_general.parquet .* not on embedded .* held out"):
        calibrate(run, PROPERTY_NETWORKS)
    other = replace(run, source="mp_general.parquet", preset=replace(run.preset, seed=1))
    with pytest.raises(InputError, match="'seed': 0.* not on mp_general.parquet with .*'seed': 1"):
        calibrate(other, PROPERTY_NETWORKS)


def test_a_property_that_no_validation_crystal_has_is_skipped_with_a_sentence(tmp_path, monkeypatch, capsys):
    run, weights, parameters = made_up_run(), tmp_path / "cgcnn", CGCNNParameters(atom_features=8, hidden=16)
    split = {"by": run.preset.property_data.split_by, "seed": run.preset.seed}
    network = build_cgcnn(parameters, element_features())
    networks = {"formation_energy_per_atom": [network], "band_gap": [network], "bulk_modulus": [network]}
    write_property_networks(weights, networks, parameters, {}, {"source": run.source_name, "split": split})
    crystals = made_up_crystals(6)
    gaps = np.array([1.0, 2.0, 0.5, np.nan, np.nan, np.nan])
    moduli = np.array([1.0, 2.0, np.nan, 1.5, 1.0, 1.9])  # none of the test crystals
    labels = {"formation_energy_per_atom": np.linspace(-2, 0, 6), "band_gap": gaps, "bulk_modulus": moduli}
    parts = np.array(["train"] * 2 + ["test"] + ["validation"] * 3)
    data = PropertyData([crystal_graph(crystal) for crystal in crystals], parts, labels)
    monkeypatch.setattr(calibration, "load_property_data", lambda run: data)
    monkeypatch.setattr(calibration, "load_property_crystals", lambda run: crystals)
    calibrate(run, weights)
    assert "no validation crystal has it, so its predictions get no interval" in capsys.readouterr().out
    widths = load_widths(weights)
    assert list(widths) == ["formation_energy_per_atom", "bulk_modulus"]
    assert widths["bulk_modulus"].families[OTHER].coverage is None
    (weights / WIDTHS).write_text('{"networks": "those of before", "properties": {}}')
    calibrate(run, weights)
    assert load_widths(weights) == widths
    (weights / WIDTHS).unlink()
    for values in labels.values():
        values[3:] = np.nan
    with pytest.raises(InputError, match="embedded has no validation crystal with a property of"):
        calibrate(run, weights)
    assert not (weights / WIDTHS).exists()
