"""The way of the networks that are not the paper's: a VAE with heads, a UNet told of Gaussians, exchanged elements."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from repro.decoding.site_counts import load_site_counts

from repro.__main__ import main
from repro.presets import PRESETS, SMOKE
from tests.support.pipeline import small_source

pytestmark = pytest.mark.slow

IMPROVED_SMOKE = replace(
    SMOKE,
    vae=replace(SMOKE.vae, heads=True, alpha=0.0),
    unet=replace(SMOKE.unet, gaussian=True),
    feed=replace(SMOKE.feed, substituted=0.5),
    unet_feed=replace(SMOKE.unet_feed, substituted=0.5, noise=0.5),
    generate=replace(SMOKE.generate, networks="published"),
)
SITES = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
STAGES = ("data", "voxelize", "train-vae", "train-unet", "evaluate", "generate")  # the VAE needs no UNet


def repro(*arguments):
    return main([*arguments, "--preset", "smoke", "--source", "crystals.csv", "--run", "test", "--shared", "nowhere"])


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
    counts = load_site_counts(finished / "runs/test/train-vae/site_counts.npz", IMPROVED_SMOKE.vae.latent)
    assert counts.weights.shape == (256, len(counts.classes)) and len(counts.classes) >= 2


def test_every_structure_is_measured_with_and_without_the_told_composition(finished):
    summary = json.loads((finished / "results/test/evaluation.json").read_text())
    assert set(summary["routes"]) == {
        "true map, unet", "true map, fit", "ours, unet", "ours, fit", "true species",
    }  # fmt: skip
    told = summary["routes"]["ours, fit"]["all"]
    assert told["decoded"] == told["count"] > 0  # a told composition decodes any map that is not empty


def test_candidates_have_the_elements_and_the_properties_of_the_published_networks(finished):
    with open(finished / "results/test/generate/candidates.csv") as file:
        rows = list(csv.DictReader(file))
    valid = [row for row in rows if row["valid"] == "True"]
    assert valid and all(np.isfinite(float(row["bulk_modulus"])) for row in valid)


def test_a_published_generator_has_the_heads_and_decodes_alike(finished):
    weights = str(finished / "weights")
    assert repro("publish-generator", "--to", weights) == 0
    assert (finished / "weights/site_counts.npz").exists()
    asked = ["generate", "--random", "--formation-energy", "-1", "--count", "3", "--seed", "4"]
    assert repro(*asked, "--out", "of-run") == 0
    assert main([*asked, "--weights", weights, "--out", "of-weights"]) == 0
    first, second = ((finished / name / "candidates.csv").read_text() for name in ("of-run", "of-weights"))
    assert first == second


def test_a_base_without_a_label_is_given_the_predicted_energy(finished, capsys):
    cubic = Structure(Lattice.cubic(3.9), ["Sr", "Ti", "O", "O", "O"], SITES)
    cubic.to(filename=str(finished / "mine.cif"))
    assert repro("generate", "--base", "mine.cif", "--count", "2", "--out", "around-mine") == 0
    told = capsys.readouterr().out
    energy = float(told.split("the predicted ")[1].split()[0])
    assert -5 < energy < 0  # the published networks know strontium titanate: -3.5
    with open(finished / "around-mine/candidates.csv") as file:
        assert [row["base"] for row in csv.DictReader(file)] == ["SrTiO3"] * 2
