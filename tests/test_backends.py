"""The networks, their losses and the training loop on another Keras backend."""

import importlib.util
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_networks_and_training_pass_their_tests_on_jax():
    files = [f"tests/test_{name}.py" for name in ("vae", "unet", "train", "feeds")]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", *files]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]
    assert " failed" not in result.stdout
