"""Presets differ in sizes and budgets; the paper's numbers stand once."""

from dataclasses import asdict, fields
from pathlib import Path

from models.table6 import CGCNNParameters, UNetParameters, VAEParameters
from repro.announce import announcement
from repro.presets import IMPROVED, LAPTOP, PAPER, PRESETS, SMOKE
from repro.run import Run, default_name


def test_the_paper_preset_is_table_6_and_the_methods():
    assert PAPER.vae == VAEParameters()
    assert PAPER.unet == UNetParameters()
    assert PAPER.cgcnn == CGCNNParameters()
    assert (PAPER.voxels.grid, PAPER.data.limit) == (32, 0)
    assert PAPER.vae_training.rotations == PAPER.unet_training.rotations == 10
    assert (PAPER.generate.bases_per_family, PAPER.generate.samples_per_base) == (4, 1000)


def test_laptop_keeps_the_papers_vae_and_loss():
    for name in ("filters", "dense", "latent", "conditions", "alpha", "beta", "condition_copies"):
        assert getattr(LAPTOP.vae, name) == getattr(PAPER.vae, name)
    assert LAPTOP.voxels == PAPER.voxels


def test_smoke_has_every_field_of_the_paper():
    assert asdict(SMOKE).keys() == asdict(PAPER).keys()
    assert {field.name for field in fields(SMOKE)} == {field.name for field in fields(PAPER)}


def test_the_announcement_says_which_preset_why_and_how_to_choose():
    text = announcement(Run(LAPTOP, "embedded", "laptop", Path("nowhere")), gpu=False)
    for word in ("laptop", "no GPU is visible", "minutes", "PRESET=paper", "SOURCE=", "runs/laptop"):
        assert word in text
    assert "hours on 2 cores" in announcement(Run(IMPROVED, "embedded", "improved", Path("nowhere")), gpu=False)
    assert set(PRESETS) == {"smoke", "laptop", "improved", "full", "dfc", "perov5", "perov5-paper", "paper"}


def test_runs_on_other_data_have_folders_of_their_own():
    assert default_name("laptop", "embedded") == "laptop"
    assert default_name("laptop", "../shared/data/mp_cubic.csv.gz") == "laptop-mp_cubic"
    assert default_name("paper", "some/folder") == "paper-folder"


def test_the_released_vae_is_found_anywhere_under_the_shared_folder(tmp_path):
    def released(shared):
        return Run(SMOKE, "embedded", "smoke", shared).released_vae

    below = tmp_path / "clone/saved_models"
    below.mkdir(parents=True)
    assert released(tmp_path) is None and released(tmp_path / "nowhere") is None
    for name in ("vae/vae_weights_mixed.best.hdf5", "cgcnn_weights.bulk_modulus.best.hdf5", "atom_init.json"):
        (below / name).parent.mkdir(exist_ok=True)
        (below / name).write_text("something")
    assert released(tmp_path) == below / "vae/vae_weights_mixed.best.hdf5"
