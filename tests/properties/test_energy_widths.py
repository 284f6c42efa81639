"""The calibrated width of predicted formation energies: its fit, its coverage, and files that do not fit."""

import json
from pathlib import Path

import numpy as np
import pytest

from data_prep.errors import InputError
from repro.network_folders import GENERATOR, PROPERTY_NETWORKS, WEIGHTS, identity_of_networks
from repro.properties.energy_widths import (
    DEVIATIONS,
    OTHER,
    WIDTHS,
    EnergyWidths,
    FamilyWidth,
    calibrate,
    family_width,
    fit_width,
    load_widths,
)
from repro.run import Run
from tests.support.made_up_run import made_up_run


def errors(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors of width sqrt(0.03² + (2 spread)²), and the spreads."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.005, 0.1, count)
    return rng.normal(0, np.hypot(0.03, 2 * spread)), spread


def test_the_width_is_found_and_covers_what_it_says():
    floor, factor = fit_width(*errors(4000, seed=0))
    assert floor == pytest.approx(0.03, abs=0.01) and factor == pytest.approx(2, abs=0.2)
    found = family_width(errors(4000, seed=0), errors(4000, seed=1))
    assert found.coverage == pytest.approx(0.9, abs=0.02)
    assert (found.validation, found.test) == (4000, 4000)


def test_a_few_large_errors_widen_it_no_more_than_the_interval_needs():
    plain, spread = errors(1000, seed=2)
    wild = np.where(np.arange(1000) % 50 == 0, 5.0, plain)
    for one in (plain, wild):
        floor, factor = fit_width(one, spread)
        assert (np.abs(one) <= DEVIATIONS * np.hypot(floor, factor * spread)).mean() == pytest.approx(0.9, abs=0.002)
        assert np.hypot(floor, factor * 0.05) < 0.15


def test_one_network_has_the_same_width_everywhere():
    plain = errors(500, seed=3)[0]
    floor, factor = fit_width(plain, np.zeros(500))
    assert factor == 0 and (np.abs(plain) <= DEVIATIONS * floor).mean() == pytest.approx(0.9, abs=0.005)


def test_each_family_has_its_own_width():
    widths = EnergyWidths({"AB": FamilyWidth(0.03, 2, 9, 9, 0.9, 0.1), OTHER: FamilyWidth(0.1, 0, 9, 9, 0.9, 0.1)})
    np.testing.assert_allclose(widths.of(["NaCl", "Al2O3"], np.array([0.02, 0.02])), [0.05, 0.1])
    np.testing.assert_allclose(widths.of(["NaCl", "SrTiO3"], None), [0.03, 0.1])


@pytest.mark.parametrize("folder", ["cgcnn", "cgcnn-improved"])
def test_the_published_networks_are_calibrated(folder):
    widths = load_widths(WEIGHTS / folder)
    assert set(widths.families) == {"AB", "ABX3", "ABX2", OTHER}
    for name, one in widths.families.items():
        assert 0.75 < one.coverage < 0.98 and one.test > 100, name
    assert widths.families[OTHER].coverage == pytest.approx(0.9, abs=0.02)


def test_networks_that_were_never_measured_have_none():
    assert load_widths(GENERATOR) is None


def copy_with(folder: Path, found: dict) -> Path:
    folder.mkdir()
    (folder / "manifest.json").write_text((PROPERTY_NETWORKS / "manifest.json").read_text())
    (folder / WIDTHS).write_text(json.dumps(found))
    return folder


def test_widths_of_other_networks_and_damaged_ones_are_refused(tmp_path):
    found = json.loads((PROPERTY_NETWORKS / WIDTHS).read_text())
    with pytest.raises(InputError, match="is of other networks than .* measure them with .* again"):
        load_widths(copy_with(tmp_path / "one", found | {"networks": "others"}))
    with pytest.raises(InputError, match="is damaged .*TypeError"):
        load_widths(copy_with(tmp_path / "two", found | {"families": {"AB": {"floor": 1}}}))
    same = copy_with(tmp_path / "three", found)
    assert identity_of_networks(same) == found["networks"] and load_widths(same) == load_widths(PROPERTY_NETWORKS)


def test_networks_of_another_split_are_not_measured():
    run: Run = made_up_run()
    with pytest.raises(InputError, match="was trained on mp_general.parquet .* not on embedded .* held out"):
        calibrate(run, PROPERTY_NETWORKS)
