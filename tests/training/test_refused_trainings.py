"""Trainings that cannot begin or go on: one sentence on standard error, exit code 2, and what was there stays."""

import shutil
from dataclasses import replace
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from repro.__main__ import main
from repro.presets import PRESETS, SMOKE
from repro.training import train_maps
from tests.support.exit_code import exit_code
from tests.support.pipeline import small_source

pytestmark = pytest.mark.slow

TINY = replace(
    SMOKE,
    unet=replace(SMOKE.unet, filters=1, epochs=1),
    unet_training=replace(SMOKE.unet_training, steps_per_epoch=2),
)
WIDER = replace(TINY, unet=replace(TINY.unet, filters=2))
TRAINED = Path("runs/trained/train-unet")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run whose tiny UNet has been trained, and one that has data only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("refused"))
        patch.setitem(PRESETS, "smoke", TINY)
        small_source(Path())
        assert repro("data", "untrained") == repro("voxelize", "untrained") == 0
        shutil.copytree("runs/untrained", "runs/trained")
        assert repro("train-unet", "trained") == 0
        yield


def repro(stage: str, run: str) -> int:
    options = ["--preset", "smoke", "--source", "crystals.csv", "--run", run, "--shared", "nowhere"]
    return exit_code(main, [stage, *options])


def sentence(capsys) -> str:
    """Return the one line that standard error ends with; before it are the lines of the progress bar alone."""
    said = capsys.readouterr().err.strip().splitlines()
    assert not any("Traceback" in line for line in said)
    return said[-1]


def test_a_run_of_another_preset_is_refused(trained, monkeypatch, capsys):
    monkeypatch.setitem(PRESETS, "smoke", WIDER)
    before = {path: path.read_bytes() for path in TRAINED.glob("*.*")}
    assert repro("train-unet", "trained") == 2
    assert sentence(capsys).startswith(f"{TRAINED} was made with filters = 1 instead of 2: remove that folder")
    assert before == {path: path.read_bytes() for path in TRAINED.glob("*.*")}


def test_a_checkpoint_of_another_preset_is_refused(trained, monkeypatch, capsys):
    """Copied into the folder of another run, without the stamp that names its preset."""
    monkeypatch.setitem(PRESETS, "smoke", WIDER)
    other = Path("runs/untrained/train-unet")
    shutil.copytree(TRAINED, other, ignore=lambda *_: ["started.json", "done.json"])
    assert repro("train-unet", "untrained") == 2
    assert sentence(capsys) == (
        f"{other}/epoch-0001.weights.h5 cannot be loaded (it does not fit): it is missing, damaged or of another "
        "configuration; remove its folder to train again."
    )
    shutil.rmtree(other)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="other backends have float16 on processors")
@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="a GPU has float16")
def test_a_device_without_float16_is_refused(trained, monkeypatch, capsys):
    half = replace(TINY, unet_training=replace(TINY.unet_training, precision="float16"))
    monkeypatch.setitem(PRESETS, "smoke", half)
    assert repro("train-unet", "untrained") == 2
    assert sentence(capsys).startswith(
        "train-unet: this device cannot train in float16 with tensorflow (No OpKernel was registered to support Op"
    )
    shutil.rmtree("runs/untrained/train-unet")


def test_exhausted_memory_says_which_batch_to_set(trained, monkeypatch, capsys):
    def exhausted(*arguments):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[8,16,16,16,2]")

    monkeypatch.setattr(train_maps, "fit_epochs", exhausted)
    assert repro("train-unet", "untrained") == 2
    assert sentence(capsys) == (
        "train-unet ran out of memory with batch_size = 8: set a smaller one in the preset (repro/presets.py), "
        "such as 4, and remove runs/untrained/train-unet to start again."
    )
    shutil.rmtree("runs/untrained/train-unet")
