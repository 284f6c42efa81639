"""The pipeline with networks that are not the paper's: a VAE with heads, a UNet of Gaussians, exchanged elements."""

import csv
import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from data_prep.files.atomic import write_json
from models.beyond_paper import ImprovedUNetParameters, ImprovedVAEParameters
from models.latent_sampler import LatentSampler
from models.site_count_classifier import SiteCountClassifier
from repro.__main__ import main
from repro.generation.generator_folder import load_arrays
from repro.presets import PRESETS, SMOKE
from repro.training.dataset import load_dataset
from tests.support.exit_code import exit_code
from tests.support.pipeline import RUN, repro, small_source

pytestmark = pytest.mark.slow

IMPROVED_SMOKE = replace(
    SMOKE,
    vae=ImprovedVAEParameters(**asdict(SMOKE.vae) | {"alpha": 0.0}),
    unet=ImprovedUNetParameters(**asdict(SMOKE.unet)),
    vae_training=replace(SMOKE.vae_training, substituted=0.5),
    unet_training=replace(SMOKE.unet_training, substituted=0.5, noise=0.5),
    generate=replace(SMOKE.generate, networks="published", way="composition"),
)
SITES = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
STAGES = ("data", "voxelize", "train-vae", "train-unet", "generator", "evaluate", "generate")  # the VAE needs no UNet


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("structured")
    small_source(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setitem(PRESETS, "smoke", IMPROVED_SMOKE)
        for stage in STAGES:
            assert repro(stage) == 0, stage
        yield folder


def test_the_training_is_of_the_networks_with_heads(finished):
    header = (finished / "runs/test/train-vae/history.csv").read_text().splitlines()[0].split(",")
    assert {"composition", "coordinate_mse", "val_composition"} <= set(header)
    counts = load_arrays(SiteCountClassifier, finished / "runs/test/generator/site_counts.npz", 256)
    assert counts.weights.shape == (256, len(counts.classes)) and len(counts.classes) >= 2


def test_the_latents_of_the_training_crystals_are_gathered(finished):
    sampler = load_arrays(LatentSampler, finished / "runs/test/generator/encoded.npz", 256)
    dataset = load_dataset(RUN)
    np.testing.assert_array_equal(sampler.conditions, dataset.bins[dataset.indices("train")])
    assert len(sampler.z_mean) == len(dataset.train) and sampler.noise.shape == (3, 256)
    manifest = json.loads((finished / "runs/test/generator/manifest.json").read_text())
    assert {"encoded.npz", "site_counts.npz"} <= manifest["sha256"].keys()
    assert manifest["vae"]["network"] == "improved_vae"
    unet = json.loads((finished / "runs/test/unet/manifest.json").read_text())
    assert unet["unet"]["network"] == "improved_unet"
    assert not list((finished / "runs/test/train-vae").glob("*.npz"))


def test_every_structure_is_measured_with_and_without_its_composition(finished):
    summary = json.loads((finished / "results/test/evaluation.json").read_text())
    assert set(summary["routes"]) == {
        "true map, vote", "true map, fit", "ours, vote", "ours, fit", "ours, composition", "true species",
    }  # fmt: skip
    found = summary["routes"]["ours, composition"]["all"]
    assert found["decoded"] == found["count"] > 0  # a composition decodes any map that is not empty


def test_candidates_have_the_elements_and_the_properties_of_the_published_networks(finished):
    with open(finished / "results/test/generate/candidates.csv") as file:
        rows = list(csv.DictReader(file))
    valid = [row for row in rows if row["valid"] == "True"]
    assert valid and all(np.isfinite(float(row["bulk_modulus"])) for row in valid)


def test_a_published_generator_has_the_heads_and_decodes_alike(finished):
    weights = str(finished / "weights")
    assert repro("publish-generator", "--to", weights) == 0
    assert (finished / "weights/site_counts.npz").exists()
    asked = ["generate", "--random", "--formation-energy", "-1", "--samples", "3", "--seed", "4"]
    assert repro(*asked, "--out", "of-run") == 0
    assert exit_code(main, [*asked, "--weights", weights, "--out", "of-weights"]) == 0
    first, second = (pd.read_csv(finished / name / "candidates.csv") for name in ("of-run", "of-weights"))
    of_the_data = [name for name in first if name.startswith("nearest_known")]  # a copied folder has no data beside it
    assert len(of_the_data) == 4 and first["nearest_known"].notna().all() and second["nearest_known"].isna().all()
    pd.testing.assert_frame_equal(first.drop(columns=of_the_data), second.drop(columns=of_the_data))


def test_replaced_published_networks_make_the_generation_stale(finished, tmp_path, monkeypatch, capsys):
    assert repro("generate") == 0
    assert "up to date" in capsys.readouterr().out
    write_json(tmp_path / "manifest.json", {"sha256": {}})
    monkeypatch.setattr("repro.stages.PROPERTY_NETWORKS", tmp_path)
    assert repro("generate") == 2
    assert "runs/test/generate was made with property_networks = " in capsys.readouterr().err
    assert repro("evaluate") == 0  # it does not read them


def test_a_base_without_a_label_is_given_the_predicted_energy(finished, capsys):
    cubic = Structure(Lattice.cubic(3.9), ["Sr", "Ti", "O", "O", "O"], SITES)
    cubic.to(filename=str(finished / "mine.cif"))
    assert repro("generate", "--base", "mine.cif", "--samples", "2", "--out", "around-mine") == 0
    told = capsys.readouterr().out
    energy = float(told.split("the predicted ")[1].split()[0])
    assert -5 < energy < 0  # the published networks know strontium titanate: -3.5
    with open(finished / "around-mine/candidates.csv") as file:
        assert [row["base"] for row in csv.DictReader(file)] == ["SrTiO3"] * 2
