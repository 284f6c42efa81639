"""The whole way at the smoke preset, stage by stage as a user runs it, and what each leaves behind."""

import csv
import json
import os
from pathlib import Path

import ase.io
import numpy as np
import pytest
from pymatgen.core import Composition, Lattice, Structure

from repro import load_generator, predict, stages
from repro.__main__ import main
from repro.generation import request
from repro.training.dataset import load_dataset
from repro.training.fit import BEST, load_weights
from repro.training.train_unet import trained_unet
from repro.training.train_vae import build_vae
from repro.training.training_record import HISTORY, RECORD
from tests.support.equal_autoencoders import require_equal
from tests.support.exit_code import exit_code
from tests.support.pipeline import RUN, experiment, repro, small_source
from tests.support.structure_types import perovskite

pytestmark = pytest.mark.slow

STAGES = (
    "data", "voxelize", "train-unet", "train-vae", "generator", "graphs", "train-cgcnn", "properties", "evaluate",
    "evaluate-properties", "generate",
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which every stage has run on a small table of made-up crystals."""
    folder = tmp_path_factory.mktemp("pipeline")
    small_source(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        before = dict(os.environ)
        for stage in STAGES:
            assert repro(stage) == 0, stage
        assert dict(os.environ) == before and Path.cwd() == folder
        yield folder


def read_json(path):
    return json.loads(path.read_text())


def test_every_stage_is_stamped_with_versions_counts_and_duration(finished):
    assert {*STAGES} == stages.STAGES.keys()
    for stage in STAGES:
        stamp = read_json(finished / "runs/test" / stage / "done.json")
        assert stamp["versions"]["keras"].startswith("3.")
        assert stamp["seconds"] >= 0
        assert stamp["counts"], stage
    assert not list(finished.rglob(".writing-*"))


def test_losses_are_logged_by_name(finished):
    with open(finished / "runs/test/train-vae/history.csv", newline="") as file:
        first, second = csv.DictReader(file)
    assert float(first["perceptual"]) == 0 < float(second["perceptual"])  # perceptual_from = 1
    assert float(first["val_perceptual"]) > 0 and float(second["val_perceptual"]) > 0
    header = (finished / "runs/test/train-vae/history.csv").read_text().splitlines()[0]
    assert {"mse", "perceptual", "kld", "val_mse"} <= set(header.split(","))
    header = (finished / "runs/test/train-unet/history.csv").read_text().splitlines()[0]
    assert {"species_loss", "occupied_loss"} <= set(header.split(","))


def test_the_evaluation_counts_every_held_out_structure(finished):
    summary = read_json(finished / "results/test/evaluation.json")
    count = summary["vae"]["ours"]["all"]["count"]
    assert count == read_json(finished / "runs/test/evaluate/done.json")["counts"]["structures"]
    assert summary["vae"]["ours"]["all"]["mse"] > 0
    assert len(summary["vae"]["ours"]["all"]["lattice_error"]) == 3
    for groups in summary["routes"].values():
        everything = groups["all"]
        assert everything["count"] == count
        assert everything["decoded"] + sum(everything["failures"].values()) == count
        assert sum(groups[family]["count"] for family in ("AB", "ABX3", "ABX2")) == count
    ceiling = summary["routes"]["true species"]["all"]
    assert ceiling["exact_fraction"] > 0.5
    assert ceiling["emd"] < 0.3


def test_generation_writes_a_cif_for_every_valid_candidate(finished):
    out = finished / "results/test/generate"
    with open(out / "candidates.csv") as file:
        rows = list(csv.DictReader(file))
    summary = read_json(out / "summary.json")
    assert len(rows) == summary["all"]["samples"] == 3 * 2 + 10
    assert {row["condition"] for row in rows if row["target"].startswith("random")} == {str(c) for c in range(10)}
    valid = [row for row in rows if row["valid"] == "True"]
    assert len(valid) == summary["all"]["valid"] == len(list((out / "cifs").glob("*.cif")))
    assert rows[: len(valid)] == valid
    for row in valid[:5]:
        structure = Structure.from_file(out / row["file"], primitive=True)
        assert len(structure) == int(row["n_sites"])
        assert structure.composition.reduced_formula == row["formula"]
        cell = [float(row[name]) for name in ("a", "b", "c", "angle", "beta", "gamma")]
        assert structure.volume == pytest.approx(Lattice.from_parameters(*cell).volume, rel=2e-3)
        assert np.isfinite(float(row["formation_energy_per_atom"])) and float(row["formation_energy_spread"]) >= 0
        assert row["band_gap"] == ""  # the source has no label to train a network on


def test_generating_again_gives_the_same_candidates(finished):
    before = (finished / "results/test/generate/candidates.csv").read_bytes()
    assert repro("generate", "--again") == 0
    assert (finished / "results/test/generate/candidates.csv").read_bytes() == before


def test_the_generator_from_python_gives_the_candidates_of_the_command(finished, monkeypatch):
    monkeypatch.setattr(request, "LEAST_DRAWS", 8)  # of which few are valid
    monkeypatch.setattr(request, "DRAWS_PER_CANDIDATE", 1)
    asked = ("--base", "made-001", "--count", "3", "--known", "--seed", "5")
    around = ("--formation-energy", "-1", "--spread", "0.3")
    assert repro("generate", *asked, *around, "--out", "by-command") == 0
    generator = load_generator(Path("runs/test/generator"), Path("runs/test/properties"))
    wanted = {"count": 3, "known": True, "source": "crystals.csv", "seed": 5, "formation_energy": -1, "spread": 0.3}
    valid = sorted(generator.around("made-001", **wanted), key=lambda one: one.rank)
    with open("by-command/candidates.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [one.id for one in valid]
    for row, one in zip(rows, valid, strict=True):
        assert (row["formula"], row["spacegroup"]) == (one.formula, str(one.spacegroup))
        assert (row["a"], row["formation_energy_per_atom"]) == (f"{one.a:.5g}", f"{one.formation_energy_per_atom:.5g}")
        assert (Path("by-command") / row["file"]).read_text() == one.cif
    table = predict(
        [one.structure for one in valid] or [perovskite("Sr", "Ti", "O", 3.9)], Path("runs/test/properties")
    )
    assert len(table) == max(1, len(valid)) and np.isfinite(table["formation_energy_per_atom (eV/atom)"]).all()


def test_the_gathered_networks_are_those_of_the_best_epochs(finished):
    generator = load_generator(Path("runs/test/generator"), Path("runs/test/properties"))
    vae, unet = build_vae(RUN.preset.vae, RUN.preset.voxels.grid), trained_unet(RUN)
    load_weights(vae, RUN.folder("train-vae") / BEST)
    require_equal(generator.autoencoder, vae, RUN.preset)
    for one, other in zip(unet.get_weights(), generator.decoder.unet().get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=4.9e-4, atol=6e-8)  # kernels are stored as float16
    manifest, dataset = read_json(RUN.folder("generator") / "manifest.json"), load_dataset(RUN)
    assert manifest["source"] == "crystals.csv" and manifest["split"] == {"by": "formula", "seed": 0}
    assert manifest["training"]["train-vae"]["epochs"] == 2 and manifest["preset"] == "smoke"
    np.testing.assert_array_equal(generator.edges, dataset.edges)
    assert all(crystal.formula in generator.known.train for crystal in dataset.train)
    trained = (RUN.folder("train-vae") / BEST).stat().st_size
    assert (RUN.folder("generator") / "vae.weights.h5").stat().st_size < 0.7 * trained  # no state of the training


def test_generation_around_a_base_of_the_users_own(finished, capsys):
    with open("crystals.csv") as file:
        base = next(row for row in csv.DictReader(file) if row["id"] == "made-001")
    assert repro("generate", "--base", "made-001", "--samples", "3", "--out", "mine") == 0
    assert "decile" in capsys.readouterr().out
    with open(finished / "mine/candidates.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["base"] for row in rows] == [base["formula"]] * 3
    assert repro("generate", "--base", base["formula"] + "x", "--out", "mine") == 2
    assert base["formula"] in capsys.readouterr().err
    assert repro("generate", "--random", "--formation-energy", "-99", "--samples", "20", "--out", "other") == 0
    with open(finished / "other/candidates.csv") as file:
        conditions = [row["condition"] for row in csv.DictReader(file)]
    samples = json.loads((finished / "other/summary.json").read_text())["all"]["samples"]
    assert conditions and set(conditions) == {"0"} and samples == 20  # only valid ones are listed


def test_filters_leave_their_counts_and_list_only_what_passed(finished):
    assert repro("generate", "--random", "--samples", "10", "--novel", "--unique", "--out", "filtered") == 0
    with open(finished / "filtered/candidates.csv") as file:
        rows = list(csv.DictReader(file))
    counts = read_json(finished / "filtered/summary.json")["filters"]
    assert list(counts) == ["valid", "formula not in the data", "unlike all before"]
    assert len(rows) == counts["unlike all before"] == len(list((finished / "filtered/cifs").glob("*.cif")))
    assert all(row["valid"] == "True" and row["known_formula"] == "False" for row in rows)
    assert [row["rank"] for row in rows] == [str(place) for place in range(1, len(rows) + 1)]
    if rows:
        assert len(ase.io.read(finished / "filtered/candidates.extxyz", index=":")) == len(rows)


def test_elements_of_the_users_choice_are_the_only_ones(finished, capsys):
    with open("crystals.csv") as file:
        seen = sorted({symbol for row in csv.DictReader(file) for symbol in row["species"].split()})[:3]
    assert repro("generate", "--random", "--samples", "10", "--elements", ",".join(seen), "--out", "chosen") == 0
    with open(finished / "chosen/candidates.csv") as file:
        formulas = [row["formula"] for row in csv.DictReader(file)]
    assert {element.symbol for formula in formulas for element in Composition(formula)} <= set(seen)
    assert repro("generate", "--random", "--elements", "Xx", "--out", "chosen") == 2
    assert "Xx is no element" in capsys.readouterr().err
    assert repro("generate", "--random", "--elements", "Og", "--out", "chosen") == 2
    assert "never seen Og" in capsys.readouterr().err


def test_a_published_generator_draws_what_its_run_draws(finished, capsys):
    weights = str(finished / "weights")
    assert repro("publish-generator", "--to", weights) == 0
    copied = {path.name for path in (finished / "weights").iterdir()} - {RECORD, HISTORY}
    assert "vae.weights.h5" in copied
    for name in copied:
        assert (finished / "weights" / name).read_bytes() == (finished / "runs/test/generator" / name).read_bytes()
    assert read_json(finished / "weights" / RECORD)["train-vae"]["counts"]["epochs"] == 2
    assert len((finished / "weights" / HISTORY).read_text().splitlines()) == 3
    numbers = read_json(finished / "results/published/weights/evaluation.json")
    summary = read_json(finished / "results/test/evaluation.json")
    assert numbers["vae_mse"] == summary["vae"]["ours"]["all"]["mse"]
    assert numbers["lattice_mae_b"] == summary["vae"]["ours"]["all"]["lattice_error"][1]
    assert numbers["exact_fraction"] == summary["routes"]["ours, fit"]["all"]["exact_fraction"]
    assert numbers["training"]["train-vae"]["epochs"] == 2
    assert repro("generate", "--random", "--formation-energy", "-1", "--samples", "4", "--out", "of-run") == 0
    published = ["generate", "--random", "--formation-energy", "-1", "--samples", "4", "--weights", weights]
    assert exit_code(main, [*published, "--out", "of-weights"]) == 0
    first, second = ((finished / name / "candidates.csv").read_text() for name in ("of-run", "of-weights"))
    assert _told(first) == _told(second)
    (finished / "weights/vae.weights.h5").write_bytes(b"not weights")
    assert exit_code(main, [*published, "--out", "of-weights"]) == 2
    assert "vae.weights.h5 is damaged" in capsys.readouterr().err
    (finished / "weights/manifest.json").unlink()
    assert exit_code(main, [*published, "--out", "of-weights"]) == 2
    assert "manifest.json is missing" in capsys.readouterr().err


def _told(text):
    """Return what does not depend on the property networks of a candidates.csv, in the order of the draws."""
    rows = sorted(csv.DictReader(text.splitlines()), key=lambda row: row["id"])
    return [[row[name] for name in ("id", "formula", "a", "valid", "known_formula")] for row in rows]


def test_the_report_stands_on_its_own(finished):
    assert experiment("report") == 0
    page = (finished / "results/test/report.html").read_text()
    assert "<html" in page
    assert 'src="http' not in page and 'href="http://' not in page
    assert (finished / "results/test/report.md").exists()


def test_a_checkpoint_of_another_configuration_is_refused(finished, capsys):
    stamp = finished / "runs/test/train-vae/done.json"
    kept = stamp.read_text()
    changed = json.loads(kept)
    changed["identity"], changed["config"]["beta"] = "other", 0.1
    stamp.write_text(json.dumps(changed))
    assert repro("evaluate", "--again") == 2
    assert "beta = 0.1 instead of 0.0005" in capsys.readouterr().err
    stamp.write_text(kept)
