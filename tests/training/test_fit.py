"""Training: killed at any moment and started again it ends as if it had not been; NaN stops it."""

import json

import keras
import numpy as np
import pytest

from data_prep.errors import InputError
from repro import stamps
from repro.training.fit import BEST, STATE, Budget, adam, compile_model, fit_epochs, load_weights

BUDGET = Budget(epochs=4, steps=3, learning_rate=0.01, schedule="cosine", warmup_steps=2)


class LineFeed(keras.utils.PyDataset):
    """A noisy straight line; the batches of an epoch depend on the epoch alone."""

    def __init__(self, epoch, factor=1.0):
        super().__init__()
        self.epoch, self.factor = epoch, factor

    def __len__(self):
        return 3

    def __getitem__(self, step):
        x = np.random.default_rng((self.epoch, step)).normal(size=(8, 2)).astype(np.float32)
        return x * self.factor, x @ np.array([[1.0], [-2.0]], np.float32)


def small_model(budget=BUDGET):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    compile_model(model, budget, loss="mse")
    return model


def weights_of(model):
    return np.concatenate([np.ravel(weight) for weight in model.get_weights()])


@pytest.mark.slow
def test_resumed_training_ends_with_the_same_weights(tmp_path):
    whole = small_model()
    history = fit_epochs(whole, BUDGET, LineFeed, LineFeed(99), tmp_path / "whole")
    first = small_model()
    with pytest.raises(KeyboardInterrupt):
        fit_epochs(first, BUDGET, lambda epoch: _stop_at(epoch, 2), LineFeed(99), tmp_path / "parts")
    assert len(json.loads((tmp_path / "parts" / STATE).read_text())["history"]) == 2
    second = small_model()
    resumed = fit_epochs(second, BUDGET, LineFeed, LineFeed(99), tmp_path / "parts")
    np.testing.assert_array_equal(weights_of(second), weights_of(whole))
    assert [epoch["loss"] for epoch in resumed] == [epoch["loss"] for epoch in history]
    np.testing.assert_array_equal(
        weights_of(_loaded(tmp_path / "parts" / BEST)), weights_of(_loaded(tmp_path / "whole" / BEST))
    )


def _stop_at(epoch, last):
    if epoch == last:
        raise KeyboardInterrupt
    return LineFeed(epoch)


def _loaded(path):
    model = small_model()
    load_weights(model, path)
    return model


def test_a_loss_that_is_not_finite_stops_with_the_last_good_epoch_kept(tmp_path):
    folder = tmp_path / "band_gap"
    folder.mkdir()
    stamps.begin(tmp_path, {"learning_rate": 0.01}, {})  # of all networks, which have to go for another rate
    with pytest.raises(
        InputError,
        match=f"became NaN or infinite in epoch 2; the last good epoch is kept in .*lower .* remove {tmp_path} to",
    ):
        fit_epochs(small_model(), BUDGET, lambda e: LineFeed(e, np.nan if e == 1 else 1.0), LineFeed(99), folder)
    state = json.loads((folder / STATE).read_text())
    assert len(state["history"]) == 1
    assert (folder / state["weights"]).exists()


def test_a_loss_that_is_not_finite_in_the_first_epoch_has_none_to_keep(tmp_path):
    with pytest.raises(InputError, match="became NaN or infinite in epoch 1; lower the learning rate"):
        fit_epochs(small_model(), BUDGET, lambda e: LineFeed(e, np.nan), LineFeed(99), tmp_path)


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    fit_epochs(small_model(), Budget(1, 3, 0.01, "constant", 0), LineFeed, LineFeed(99), tmp_path)
    path = tmp_path / json.loads((tmp_path / STATE).read_text())["weights"]
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    else:
        path.unlink()
    with pytest.raises(InputError, match=r"epoch-0001\.weights\.h5 cannot be loaded"):
        fit_epochs(small_model(), BUDGET, LineFeed, LineFeed(99), tmp_path)


def test_weights_of_another_configuration_are_refused(tmp_path):
    fit_epochs(small_model(), Budget(1, 3, 0.01, "constant", 0), LineFeed, LineFeed(99), tmp_path)
    other = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(7), keras.layers.Dense(1)])
    with pytest.raises(InputError, match="of another configuration"):
        load_weights(other, tmp_path / BEST)


def test_history_is_written_as_csv_and_for_tensorboard(tmp_path):
    fit_epochs(small_model(), BUDGET, LineFeed, LineFeed(99), tmp_path)
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0].startswith("epoch,loss")
    assert len(lines) == 5
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_the_schedule_rises_and_falls():
    rate = adam(Budget(10, 10, 0.01, "cosine", 20)).learning_rate
    schedule = adam(Budget(10, 10, 0.01, "cosine", 20))._learning_rate
    values = [float(schedule(step)) for step in (0, 10, 20, 60, 100)]
    assert float(rate) == values[0] == 0.0
    assert values[1] == pytest.approx(0.005)
    assert values[2] == pytest.approx(0.01)
    assert values[3] == pytest.approx(0.005)
    assert values[4] == pytest.approx(0.0, abs=1e-6)


def test_a_restart_repeats_the_schedule_of_its_part():
    one = adam(Budget(10, 10, 0.01, "cosine", 20))._learning_rate
    two = adam(Budget(20, 10, 0.01, "cosine", 20, restarts=1))._learning_rate
    for step in (0, 10, 20, 60, 99):
        assert float(two(step)) == float(two(step + 100)) == float(one(step))


def test_restarts_that_do_not_divide_the_steps_leave_the_last_step_its_low_rate():
    schedule = adam(Budget(10, 10, 0.01, "cosine", 0, restarts=2))._learning_rate
    assert float(schedule(34)) == pytest.approx(0.01) and float(schedule(99)) < 0.0002
