"""A training that is killed and started again ends as an undisturbed one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from repro.training.fit import STATE
from tests.conftest import ROOT
from tests.support.pipeline import small_source

pytestmark = pytest.mark.slow


def test_a_vae_training_killed_with_sigkill_ends_with_the_same_weights(tmp_path):
    """The real stages at the smoke preset, killed -9 after the first epoch, against an undisturbed run."""
    source = small_source(tmp_path)
    for stage in ("data", "voxelize", "train-unet"):
        _repro(stage, "whole", source, tmp_path)
    shutil.copytree(tmp_path / "runs/whole", tmp_path / "runs/killed")
    _repro("train-vae", "whole", source, tmp_path)
    process = subprocess.Popen(_command("train-vae", "killed", source), cwd=tmp_path, env=_environment())
    state = tmp_path / "runs/killed/train-vae" / STATE
    deadline = time.time() + 240
    while not state.exists() and process.poll() is None and time.time() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(json.loads(state.read_text())["history"]) >= 1
    _repro("train-vae", "killed", source, tmp_path)
    whole, killed = (_checkpoint(tmp_path / "runs" / name / "train-vae") for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(killed[name], array, err_msg=name)


def _command(stage, name, source):
    return [sys.executable, "-m", "repro", stage, "--preset", "smoke", "--source", str(source), "--run", name]


def _environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _repro(stage, name, source, folder):
    subprocess.run(_command(stage, name, source), cwd=folder, env=_environment(), check=True, capture_output=True)


def _checkpoint(folder):
    arrays = {}
    with h5py.File(folder / json.loads((folder / STATE).read_text())["weights"]) as file:
        file.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return arrays
