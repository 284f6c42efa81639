"""Weights files in parts: split, joined, and a part that is missing or damaged named in a sentence."""

import json

import numpy as np
import pytest

from data_prep.errors import InputError
from repro.training import checkpoint_parts
from repro.training.checkpoint_parts import joined, split_file
from repro.training.fit import BEST, STATE, Budget, fit_epochs, forget_training, load_weights
from tests.training.test_fit import LineFeed, small_model, weights_of

BUDGET = Budget(epochs=2, steps=3, learning_rate=0.01, schedule="constant", warmup_steps=0)


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of 5,000 bytes, so that the weights of a tiny network come in several."""
    monkeypatch.setattr(checkpoint_parts, "PART_BYTES", 5000)


def test_a_large_file_becomes_parts_and_comes_back(tmp_path, small_parts):
    path, content = tmp_path / "some.weights.h5", np.random.default_rng(0).bytes(12_001)
    path.write_bytes(content)
    sums = split_file(path)
    names = [f"some.weights.h5.part-00{number}" for number in (1, 2, 3)]
    assert len(sums) == 3 and sorted(item.name for item in tmp_path.iterdir()) == names
    assert [(tmp_path / name).stat().st_size for name in names] == [5000, 5000, 2001]
    with joined(path, sums) as whole:
        assert whole.read_bytes() == content
    assert sorted(item.name for item in tmp_path.iterdir()) == names


def test_a_file_that_is_not_too_large_stays_whole_and_parts_of_an_earlier_one_go(tmp_path, small_parts):
    path = tmp_path / "some.weights.h5"
    path.write_bytes(bytes(5001))
    assert len(split_file(path)) == 2
    path.write_bytes(bytes(5000))
    assert split_file(path) == []
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    with joined(path, []) as whole:
        assert whole == path


def test_a_training_is_kept_in_parts_and_goes_on_from_them(tmp_path, small_parts):
    whole = small_model(BUDGET)
    fit_epochs(whole, BUDGET, LineFeed, LineFeed(99), tmp_path / "whole")
    fit_epochs(small_model(BUDGET), Budget(1, 3, 0.01, "constant", 0), LineFeed, LineFeed(99), tmp_path / "parts")
    state = json.loads((tmp_path / "parts" / STATE).read_text())
    assert set(state["parts"]) == {BEST, "epoch-0001.weights.h5"} and all(len(p) > 1 for p in state["parts"].values())
    assert not list((tmp_path / "parts").glob("*.h5"))
    resumed = small_model(BUDGET)
    fit_epochs(resumed, BUDGET, LineFeed, LineFeed(99), tmp_path / "parts")
    np.testing.assert_array_equal(weights_of(resumed), weights_of(whole))
    assert not list((tmp_path / "parts").glob("epoch-0001*"))
    for folder in ("whole", "parts"):
        load_weights(resumed, tmp_path / folder / BEST)
    forget_training(tmp_path / "parts")
    assert not list((tmp_path / "parts").iterdir())


@pytest.mark.parametrize("damage", ["missing", "cut", "exchanged"])
def test_a_missing_or_damaged_part_is_named(tmp_path, small_parts, damage):
    once = Budget(1, 3, 0.01, "constant", 0)
    fit_epochs(small_model(once), once, LineFeed, LineFeed(99), tmp_path)
    part, first = (tmp_path / f"{BEST}.part-00{number}" for number in (2, 1))
    if damage == "missing":
        part.unlink()
    elif damage == "cut":
        part.write_bytes(part.read_bytes()[:-1])
    else:
        part.write_bytes(first.read_bytes())
    said = "missing" if damage == "missing" else "damaged"
    with pytest.raises(InputError, match=rf"{BEST} cannot be loaded \(its part {part.name} is {said}\)"):
        load_weights(small_model(once), tmp_path / BEST)
