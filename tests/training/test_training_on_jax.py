"""The training of a large card on another Keras backend: maps drawn on the device, float16, by the clock, resumed."""

import importlib.util
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from pathlib import Path

import keras
import numpy as np

from data_prep.elements import ionic_radii
from data_prep.voxelize import voxelize
from models.precision import convolutions_in
from models.table6 import UNetParameters
from models.unet import WeightedCategoricalCrossentropy, build_unet
from repro.training.dataset import Dataset
from repro.training.device_maps import MapDrawing
from repro.training.drawn_on_device import UNetOnDevice, crystal_feed
from repro.training.feeds import Exchange, SampleOrder, exchange_of
from repro.training.fit import BEST, Budget, compile_model, fit_epochs, load_weights
from tests.support.made_up_crystals import made_up_crystals

assert keras.backend.backend() == "jax"
crystals = made_up_crystals(9)
dataset = Dataset(crystals, np.array(["train"] * 8 + ["test"]), np.arange(9.0), np.arange(9))
order, held_out = SampleOrder(range(8), 1, 4, 2, 0), SampleOrder(range(4), 0, 4, 0, 0)
feed, exchange, real = crystal_feed(dataset), exchange_of(dataset, 0.5, "ionic"), Exchange(crystals)

inputs = feed(held_out, 0, real, 0.0)[0][0]
drawn = MapDrawing(ionic_radii(), 8, labels=True, errors=False, seed=0)(inputs)
for row, (index, _) in enumerate(held_out.batch(0, 0)):
    one = crystals[index]
    density, species = voxelize(one.numbers, one.fractional, one.lengths, ionic_radii(), 8)
    np.testing.assert_allclose(drawn["maps"][row, ..., 0], density, rtol=1e-5, atol=1e-9)
    np.testing.assert_array_equal(drawn["species"][row], species)


def trained(budget):
    keras.utils.set_random_seed(0)
    with convolutions_in("float16"):
        unet = build_unet(UNetParameters(filters=1), grid=8)
    model = UNetOnDevice(unet, MapDrawing(ionic_radii(), 8, labels=True, errors=True, seed=0))
    losses = {"species": WeightedCategoricalCrossentropy(np.ones(95)), "occupied": keras.losses.BinaryCrossentropy()}
    compile_model(model, budget, "float16", loss=losses)
    return model, fit_epochs(
        model, budget, lambda epoch: feed(order, epoch, exchange, 0.2), feed(held_out, 0, real, 0.0), Path(sys.argv[1])
    )


_, first = trained(Budget(1, 2, 0.01, "constant", 0))
gone = first[0]["seconds"]
model, history = trained(Budget(0, 2, 0.01, "cosine", 0, minutes=(gone + 1) / 60))
assert history[0] == first[0] and sum(epoch["seconds"] for epoch in history) >= gone + 1
assert all(np.isfinite(epoch["val_loss"]) for epoch in history)
assert 0 <= float(model.optimizer.learning_rate) < 0.01
plain = build_unet(UNetParameters(filters=1), grid=8)
load_weights(plain, Path(sys.argv[1]) / BEST)
assert np.isfinite(plain(drawn["maps"])["species"]).all()
print("trained on", keras.backend.backend())
"""


@pytest.mark.nightly  # minutes of compilation; tests/models/test_backends.py trains every network on JAX
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_a_training_in_float16_by_the_clock_on_drawn_maps_runs_on_jax(tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "trained on jax" in result.stdout
