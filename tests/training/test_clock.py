"""Training by the clock: it ends with the time, over interruptions too, and the learning rate falls with it."""

import itertools

import keras
import numpy as np
import pytest

from data_prep.errors import InputError
from repro.training import clock, fit
from repro.training.clock import EVERY, Clock, rate_at
from repro.training.fit import Budget, fit_epochs, steps_of
from tests.training.test_fit import LineFeed, small_model, weights_of

# One second passes whenever somebody looks: a full epoch of three steps takes eight (begin, clock, rate, 3 steps, end).
BUDGET = Budget(epochs=0, steps=3, learning_rate=0.01, schedule="cosine", warmup_steps=2, minutes=0.25)


@pytest.fixture
def ticking(monkeypatch):
    class Ticking:
        ticks = itertools.count()

        def perf_counter(self) -> float:
            return float(next(self.ticks))

    for module in (clock, fit):
        monkeypatch.setattr(module, "time", Ticking())


def test_the_rate_rises_and_falls_with_the_time():
    def rate(step, share):
        return rate_at(0.01, "cosine", 20, step, share)

    assert rate(9, 0.0) == pytest.approx(0.005)
    assert rate(19, 0.0) == rate(500, 0.0) == 0.01
    assert rate(500, 0.5) == pytest.approx(0.005)
    assert rate(500, 1.0) == rate(500, 1.2) == pytest.approx(0.0, abs=1e-9)
    assert rate_at(0.01, "constant", 0, 0, 0.9) == 0.01


def test_a_training_ends_with_its_time_in_the_middle_of_an_epoch(tmp_path, ticking):
    history = fit_epochs(small_model(BUDGET), BUDGET, LineFeed, LineFeed(99), tmp_path)
    assert sum(epoch["seconds"] for epoch in history[:-1]) < 15 <= sum(epoch["seconds"] for epoch in history)
    assert [epoch["steps"] for epoch in history[:-1]] == [3] * (len(history) - 1)
    assert 0 < history[-1]["steps"] < 3
    assert steps_of(history, BUDGET) == sum(epoch["steps"] for epoch in history)
    assert (tmp_path / "history.csv").read_text().splitlines()[0].endswith("seconds,steps")


def test_the_time_before_an_interruption_counts(tmp_path, ticking):
    whole = small_model(BUDGET)
    history = fit_epochs(whole, BUDGET, LineFeed, LineFeed(99), tmp_path / "whole")

    def interrupted(epoch):
        if epoch == 1:
            raise KeyboardInterrupt
        return LineFeed(epoch)

    with pytest.raises(KeyboardInterrupt):
        fit_epochs(small_model(BUDGET), BUDGET, interrupted, LineFeed(99), tmp_path / "parts")
    resumed = small_model(BUDGET)
    assert fit_epochs(resumed, BUDGET, LineFeed, LineFeed(99), tmp_path / "parts") == history
    np.testing.assert_array_equal(weights_of(resumed), weights_of(whole))


def test_the_optimizers_rate_is_set_within_an_epoch():
    """A large card's epoch is long; on JAX the variables of a model are not those that are trained in it."""
    model, data = small_model(BUDGET), np.ones((3 * EVERY, 2), np.float32)
    used = Clock(1e9, lambda step, share: 10.0 ** -(4 + step / EVERY), seconds_before=0, steps_before=0)
    before = weights_of(model)
    model.fit(data, data[:, :1], batch_size=1, verbose=0, callbacks=[used])
    assert float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)) == pytest.approx(1e-6)
    assert used.steps == 3 * EVERY and 0 < np.abs(weights_of(model) - before).max() < 1.2 * EVERY * 1.11e-4


def test_a_device_that_does_not_end_one_epoch_is_too_slow(tmp_path, ticking):
    budget = Budget(epochs=0, steps=3, learning_rate=0.01, schedule="cosine", warmup_steps=2, minutes=0.05)
    with pytest.raises(
        InputError, match="0.05 minutes were over after 2 of the first 3 steps: this device is too slow"
    ):
        fit_epochs(small_model(budget), budget, LineFeed, LineFeed(99), tmp_path)
    assert not (tmp_path / "state.json").exists()
