"""The preset full: the paper's UNet and the VAE with heads, on a schedule of minutes of one large card."""

from dataclasses import replace

from repro.announce import announcement
from repro.presets import FULL, IMPROVED, PAPER, PRESETS
from repro.run import Run

SCHEDULE = dict(batch_size=1, epochs=1, learning_rate=1.0, norm_momentum=0.9)


def test_full_has_the_papers_unet_and_the_improved_vae():
    assert replace(FULL.unet, **SCHEDULE) == replace(PAPER.unet, **SCHEDULE)
    assert replace(FULL.vae, **SCHEDULE) == replace(IMPROVED.vae, **SCHEDULE)
    assert (FULL.data, FULL.voxels, FULL.evaluate.limit, FULL.generate) == (
        PAPER.data,
        PAPER.voxels,
        450,
        IMPROVED.generate,
    )
    assert PRESETS["full"] is FULL


def test_its_schedule_is_the_one_that_was_measured():
    """Batches, rates, exchanged elements, errors and capped weights that gave 91.5 % recall, MSE .0025 (F38, F41)."""
    assert (FULL.unet.batch_size, FULL.unet.learning_rate, FULL.vae.batch_size, FULL.vae.learning_rate) == (
        *(32, 1e-3),
        *(64, 2e-3),
    )
    unet, vae = FULL.unet_training, FULL.vae_training
    assert unet.substituted == vae.substituted == 0.5 and unet.schedule == vae.schedule == "cosine"
    assert (unet.noise, unet.crop, unet.class_weight_cap, vae.noise, vae.rotations) == (0.25, 0, 10, 0, 0)
    assert unet.rotations > 0 and (unet.minutes, vae.minutes) == (6, 2)
    assert all((part.precision, part.drawn_on) == ("float16", "device") for part in (unet, vae))


def test_the_paper_preset_has_none_of_it():
    for training in (PAPER.unet_training, PAPER.vae_training):
        assert training.class_weight_cap == training.substituted == training.noise == 0
        assert training.schedule == "constant" and training.minutes == 0
        assert (training.precision, training.drawn_on) == ("float32", "host")


def test_it_is_announced(tmp_path):
    assert "a large GPU" in announcement(Run(FULL, "embedded", "full", tmp_path), gpu=True)
