"""The networks and their losses on another Keras backend: the VAE with the UNet's features, trained, saved, loaded."""

import importlib.util
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
import keras
import numpy as np
from models.table6 import UNetParameters, VAEParameters
from models.unet import WeightedCategoricalCrossentropy, build_unet, perceptual_features
from models.vae import CondDFCVAE
from repro.training.fit import Budget, compile_model

assert keras.backend.backend() == "jax"
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
maps = rng.random((2, 8, 8, 8, 4), dtype=np.float32)
budget = Budget(1, 2, 0.01, "constant", 0)
unet = build_unet(UNetParameters(filters=1))
labels = rng.integers(0, 95, (2, 8, 8, 8))
probability = rng.dirichlet(np.ones(95), labels.shape).astype(np.float32)
loss = float(WeightedCategoricalCrossentropy(np.ones(95))(labels, probability))
expected = -np.log(np.take_along_axis(probability, labels[..., None], axis=-1).clip(1e-7)).mean()
assert abs(loss - expected) < 1e-4 * expected
frozen = [np.array(weight) for weight in unet.get_weights()]
parameters = VAEParameters(filters=(2, 2, 2), latent=4, dense=64)
vae = CondDFCVAE(parameters, grid=8, features=perceptual_features(unet))
compile_model(vae, budget)
inputs = {"maps": maps, "condition": np.eye(10, dtype=np.float32)[:2]}
logs = [vae.train_on_batch(inputs, return_dict=True) for _ in range(2)]
assert all(np.isfinite(list(log.values())).all() and log["perceptual"] > 0 for log in logs)
assert all((before == after).all() for before, after in zip(frozen, unet.get_weights()))
vae.save_weights(sys.argv[1])
fresh = CondDFCVAE(parameters, grid=8)
fresh.load_weights(sys.argv[1])
outputs = [np.asarray(model(inputs, training=False)["maps"]) for model in (vae, fresh)]
np.testing.assert_allclose(*outputs, rtol=1e-5)
print("trained on", keras.backend.backend())
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_networks_train_on_jax(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "vae.weights.h5")]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "trained on jax" in result.stdout
