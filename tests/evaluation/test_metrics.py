"""The metrics, against numbers worked out by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.evaluation.metrics import (
    VoxelCounts,
    assign,
    bootstrap_interval,
    delta_n,
    elements_found,
    emd,
    exact_match,
    smape,
    species_right_per_site,
    voxel_counts,
)

A = np.array([[0.0, 0, 0], [2, 0, 0], [0, 3, 0]])


def test_emd_does_not_depend_on_the_order_of_sites():
    assert emd(A, A[[2, 0, 1]] + [0, 0, 0.25]) == pytest.approx(0.25)


def test_emd_takes_the_pairs_there_are_and_is_nan_without_any():
    assert emd(A, A[1:2] + [0.1, 0, 0]) == pytest.approx(0.1)
    assert emd(A[:1], A) == 0
    assert np.isnan(emd(A, np.zeros((0, 3)))) and np.isnan(emd(np.zeros((0, 3)), A))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_the_assignment_is_the_best_of_all_permutations(seed, n):
    true, predicted = np.random.default_rng(seed).uniform(0, 5, (2, n, 3))
    best = min(
        np.linalg.norm(true - predicted[list(order)], axis=1).mean() for order in itertools.permutations(range(n))
    )
    assert emd(true, predicted) == pytest.approx(best)
    rows, columns, distances = assign(true, predicted)
    assert np.allclose(np.linalg.norm(true[rows] - predicted[columns], axis=1), distances)


def test_exact_match_asks_for_number_place_and_element():
    numbers = np.array([11, 17, 8])
    assert exact_match(numbers, A, numbers[[1, 2, 0]], A[[1, 2, 0]] + 0.1)
    assert not exact_match(numbers, A, numbers[:2], A[:2])
    assert not exact_match(numbers, A, np.array([11, 17, 9]), A)
    assert not exact_match(numbers, A, numbers, A + [0, 0, 0.6])
    assert not exact_match(numbers, A, np.append(numbers, 8), np.vstack([A, [[5, 5, 5]]]))


def test_species_right_per_site_is_a_share_of_the_true_sites():
    numbers = np.array([11, 17, 8])
    assert species_right_per_site(numbers, A, np.array([11, 8]), A[:2]) == pytest.approx(1 / 3)
    assert species_right_per_site(numbers, A, numbers, A + [[0, 0, 0.6], [0, 0, 0], [0, 0, 0]]) == pytest.approx(2 / 3)
    assert species_right_per_site(numbers, A, np.zeros(0, int), np.zeros((0, 3))) == 0


def test_the_element_found_at_a_true_site_is_that_of_the_nearest_site():
    numbers = np.array([11, 17, 8])
    assert elements_found(numbers, A, np.array([8, 35]), A[[2, 1]] + 0.1).tolist() == [0, 35, 8]


def test_delta_n_has_no_sign():
    assert delta_n(A, A[:1]) == 2 and delta_n(A[:1], A) == 2


def probabilities(rows: list[dict[int, float]]) -> np.ndarray:
    result = np.zeros((len(rows), 95), dtype=np.float32)
    for row, classes in zip(result, rows, strict=True):
        for number, value in classes.items():
            row[number] = value
    return result


def test_recalls_and_f1_by_hand():
    true = np.array([0, 0, 11, 11, 17])
    probability = probabilities(
        [{0: 0.9, 11: 0.1}, {11: 0.6, 0: 0.4}, {11: 0.45, 17: 0.3, 0: 0.25}, {11: 0.7, 0: 0.3}, {0: 0.8, 17: 0.2}]
    )
    summary = voxel_counts(true, probability, np.array([0.1, 0.7, 0.9, 0.85, 0.8])).summary()
    assert summary["voxels"] == 5 and summary["occupied_voxels"] == 3
    assert summary["nonzero_recall_argmax"] == pytest.approx(2 / 3)
    assert summary["nonzero_recall"] == pytest.approx(1 / 3)  # 0.45 is the largest, yet not above a half
    # class 0: 1 right of 2 true and 2 predicted; class 11: 2 of 2 and 3; class 17: 0 of 1 and 0
    assert summary["f1_weighted"] == pytest.approx((2 * 0.5 + 2 * 0.8 + 1 * 0.0) / 5)
    # In the mask, 0.8 and below being empty: class 0 has 2 right of 2 true and 3 predicted, class 11 2 of 2 and 2
    assert summary["f1_masked"] == pytest.approx((2 * 0.8 + 2 * 1.0 + 1 * 0.0) / 5)
    assert summary["elements"] == {
        "Na": {"recall": 1.0, "precision": 1.0, "voxels": 2},
        "Cl": {"recall": 0.0, "precision": None, "voxels": 1},
    }


def test_a_species_head_that_never_says_empty_is_judged_inside_the_mask():
    """As the UNet trained with class 0 weighted zero: 9 of 10 voxels empty, each called barium (F43)."""
    true = np.array([0] * 9 + [8])
    probability = probabilities([{56: 1.0}] * 9 + [{8: 1.0}])
    summary = voxel_counts(true, probability, np.array([0.9] + [0.0] * 8 + [1.0])).summary()
    assert summary["f1_weighted"] == pytest.approx(0.1)
    assert summary["f1_masked"] == pytest.approx((9 * 16 / 17 + 1) / 10)
    assert summary["elements"] == {"O": {"recall": 1.0, "precision": 1.0, "voxels": 1}}


def test_counts_of_maps_add_up_to_the_counts_of_all():
    rng = np.random.default_rng(0)
    true = rng.choice([0, 0, 0, 8, 56], (3, 4, 4, 4))
    probability = rng.dirichlet(np.full(95, 0.05), (3, 4, 4, 4)).astype(np.float32)
    total = VoxelCounts()
    for one, scores in zip(true, probability, strict=True):
        total += voxel_counts(one, scores, 1 - scores[..., 0])
    together = voxel_counts(true, probability, 1 - probability[..., 0])
    assert np.array_equal(total.confusion, together.confusion) and total.confusion.sum() == 192
    assert np.array_equal(total.masked, together.masked) and (total.masked != total.confusion).any()
    assert total.summary() == together.summary()


def test_all_background_has_no_occupied_voxels_to_recall():
    summary = voxel_counts(np.zeros(4, int), probabilities([{0: 1.0}] * 4), np.zeros(4)).summary()
    assert summary["occupied_voxels"] == 0 and summary["nonzero_recall"] == 0 and summary["f1_weighted"] == 1
    assert summary["f1_masked"] == 1 and summary["elements"] == {}


def test_smape_reaches_two_hundred_percent_and_takes_no_part_in_zero_over_zero():
    assert smape(np.array([1.0]), np.array([3.0])) == pytest.approx(100)
    assert smape(np.array([0.0, 2.0]), np.array([1.0, 2.0])) == pytest.approx(100)  # 200 and 0
    assert smape(np.array([0.0]), np.array([0.0])) == 0
    assert smape(np.array([-1.0]), np.array([1.0])) == pytest.approx(200)


def test_the_bootstrap_interval_is_repeatable_and_covers_the_mean():
    values = np.random.default_rng(0).normal(5, 1, 100)
    low, high = bootstrap_interval(values, seed=1)
    assert (low, high) == bootstrap_interval(values, seed=1)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / 10, rel=0.25)
    assert bootstrap_interval([2.0, 2.0, 2.0], seed=0) == (2.0, 2.0)
    assert np.isnan(bootstrap_interval([1.0], seed=0)).all()
