"""The numbers of Table 1 and the calibration, on values whose answers are known."""

import numpy as np
import pytest
from pytest import approx

from repro.evaluation.metrics import r2
from repro.properties.evaluate_properties import CALIBRATION_BINS, calibration, property_row
from repro.properties.property_data import PropertyData

NAN = np.nan


def members_of_known_spread(count: int, networks: int = 3, factor: float = 1.0) -> tuple[np.ndarray, ...]:
    """True values, members (networks, count) and their spread, of which the mean's error is ``factor`` times."""
    rng = np.random.default_rng(0)
    true, spread = rng.normal(-1.0, 1.5, count), rng.uniform(0.01, 0.5, count)
    mean = true + factor * spread * rng.normal(size=count)
    around = np.linspace(-1, 1, networks)
    around /= around.std(ddof=1)
    return true, mean + around[:, None] * spread, spread


def test_the_error_in_each_bin_is_the_spread_where_that_is_calibrated():
    true, members, spread = members_of_known_spread(20_000)
    found = calibration(true, members)
    assert found["networks"] == 3
    assert len(found["bins"]) == CALIBRATION_BINS
    for part in found["bins"]:
        assert part["rmse"] == approx(part["spread"], rel=0.06)
        assert part["mae"] == approx(np.sqrt(2 / np.pi) * part["spread"], rel=0.06)  # of a normal distribution
    assert 0.3 < found["rank_correlation"] < 0.6
    spreads = [part["spread"] for part in found["bins"]]
    assert spreads == sorted(spreads)
    assert np.mean(spreads) == approx(spread.mean(), rel=1e-6)  # bins of equal count cover every crystal once


def test_errors_beyond_the_spread_show():
    found = calibration(*members_of_known_spread(20_000, networks=5, factor=3.0)[:2])
    assert all(part["rmse"] == approx(3 * part["spread"], rel=0.06) for part in found["bins"])


def test_a_spread_that_tells_nothing_has_no_rank_correlation():
    true, members, _ = members_of_known_spread(20_000)
    mean = members.mean(axis=0)
    another = np.random.default_rng(1).permutation(20_000)
    found = calibration(true, mean + (members - mean)[:, another])  # each crystal has another one's spread
    assert abs(found["rank_correlation"]) < 0.03


@pytest.mark.parametrize(("count", "bins"), [(3, 3), (10, 10), (47, 10)])
def test_the_bins_hold_every_crystal_once(count, bins):
    true, members, _ = members_of_known_spread(count)
    counts = [part["count"] for part in calibration(true, members)["bins"]]
    assert len(counts) == bins and sum(counts) == count
    assert max(counts) - min(counts) <= 1


def property_data() -> PropertyData:
    """Eight crystals, two of them without a bulk modulus (natural logarithms of GPa)."""
    parts = np.array(["train", "test", "train", "test", "validation", "train", "test", "train"])
    labels = np.array([4.0, 4.5, 5.0, 3.0, 4.2, NAN, NAN, 6.0])
    return PropertyData([], parts, {"bulk_modulus": labels})


def test_a_row_of_table_1_by_hand():
    data = property_data()
    true = data.labels["bulk_modulus"][data.labelled("bulk_modulus", "test")]
    np.testing.assert_array_equal(true, [4.5, 3.0])
    row = property_row("bulk_modulus", data, true, np.array([[4.7, 3.6], [4.1, 3.2]]))
    assert row["unit"] == "ln(GPa)"
    assert (row["n_train"], row["n_validation"], row["n_test"]) == (3, 1, 2)
    assert row["mae"] == approx((0.2 + 0.6) / 2) == row["median_error"]  # the first network's
    assert row["smape"] == approx(100 * (2 * 0.2 / 9.2 + 2 * 0.6 / 6.6) / 2)
    assert row["r2"] == approx(1 - (0.04 + 0.36) / (2 * 0.75**2))
    assert row["baseline_mae"] == approx((0.5 + 2.0) / 2)  # 5 is the mean of the training labels
    assert row["networks"] == 2
    assert row["mean_of_networks_mae"] == approx((0.1 + 0.4) / 2)
    assert row["each_mae"] == approx([row["mae"], (0.4 + 0.2) / 2])
    low, high = row["mae_interval"]
    assert 0.2 <= low <= row["mae"] <= high <= 0.6 + 1e-12


def test_one_network_has_no_mean_beside_it():
    row = property_row("bulk_modulus", property_data(), np.array([4.5, 3.0]), np.array([[4.7, 3.6]]))
    assert "networks" not in row and "mean_of_networks_mae" not in row and "each_mae" not in row


def test_r2_is_one_when_right_zero_when_guessing_the_mean_and_nan_without_a_spread():
    true = np.array([1.0, 2.0, 3.0, 6.0])
    assert r2(true, true) == 1
    assert r2(true, np.full(4, 3.0)) == 0
    assert r2(true, true[::-1]) == approx(1 - (25 + 1 + 1 + 25) / (4 + 1 + 0 + 9))
    assert np.isnan(r2(np.full(3, 2.0), np.array([1.0, 2.0, 3.0])))
