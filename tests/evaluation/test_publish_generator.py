"""A run's generator is published whole or not at all."""

import json
from dataclasses import replace

import pytest

from data_prep.errors import InputError
from data_prep.files.atomic import write_json, write_text
from repro.__main__ import main
from repro.evaluation.publish_generator import FACTS
from repro.network_folders import copy_networks, read_manifest, write_manifest
from repro.presets import PEROV5
from tests.support.exit_code import exit_code
from tests.support.made_up_run import finished_stages, made_up_run

METRICS = {"mse": 0.1, "density_mse": 0.2, "kld": 3.0, "lattice_error": [0.1, 0.2, 0.3], "count": 4}
ROUTE = {"emd": 0.5, "delta_n": 1.0, "species_right": 0.8, "exact_fraction": 0.6, "exact_fraction_interval": [0.5, 0.7]}
MEASURED = {
    "vae": {"ours": {"all": METRICS, "AB": METRICS}},
    "routes": {f"{maps}, {by}": {"all": ROUTE, "AB": ROUTE} for maps in ("ours", "true map") for by in ("fit", "vote")},
    "unet": {"nonzero_recall": 0.9, "nonzero_recall_argmax": 0.8, "f1_masked": 0.95, "occupied_voxels": 7},
    "elements": {"ours, fit": {"Na": 1.0}},
}
GENERATED = {name: {"valid_share": 0.9, "samples": 10} for name in ("random", "around a base")}
FILES = ("vae.weights.h5", "formulas.npz")
UNET = "unet.npz"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A run whose stages, networks, evaluation and generation are made up."""
    monkeypatch.chdir(tmp_path)
    run = replace(made_up_run(), name="own")
    _finished_generator(run)
    write_json(run.results / "evaluation.json", MEASURED)
    write_json(run.results / "generate/summary.json", GENERATED)
    return tmp_path


@pytest.fixture
def any_crystal(tmp_path, monkeypatch):
    """A made-up run of any crystal, which has no evaluation."""
    monkeypatch.chdir(tmp_path)
    _finished_generator(replace(made_up_run(), name="own", preset=PEROV5))
    return tmp_path


def _finished_generator(run):
    finished_stages(run)
    for name in FILES:
        write_text(run.folder("generator") / name, f"these are the numbers of {name}")
    facts = dict.fromkeys(FACTS, "made up") | {"training": {"train-vae": {"epochs": 2}}}
    write_manifest(run.folder("generator"), FILES, facts)
    write_text(run.folder("unet") / UNET, "these are the numbers of the UNet")
    write_manifest(run.folder("unet"), [UNET], {})


def published(*options: str, preset: str = "laptop") -> int:
    named = ["publish-generator", "--run", "own", "--preset", preset, "--shared", "nowhere", "--to", "weights/own"]
    return exit_code(main, [*named, *options])


def contents(path) -> dict[str, bytes]:
    """Return the files of a folder of networks by name."""
    return {one.name: one.read_bytes() for one in path.iterdir() if one.name in (*FILES, UNET, "manifest.json")}


def test_the_numbers_stand_beside_the_networks(folder):
    assert published() == 0
    assert '"epochs": 2' in (folder / "weights/own/manifest.json").read_text()
    found = json.loads((folder / "results/published/own/evaluation.json").read_text())
    assert (found["exact_fraction"], found["exact_fraction_interval"]) == (0.6, [0.5, 0.7])
    assert (found["valid_random"], found["f1_masked"]) == (0.9, 0.95)
    assert found["training"]["train-vae"] == {"epochs": 2}
    for numbers in (found, found["families"]["AB"]):
        for name in ("by_vote", "by_fit", "true_maps_by_vote", "true_maps_by_fit"):
            assert numbers[name]["emd"] == 0.5 and numbers[name]["delta_n_interval"] is None
            assert numbers[name]["exact_fraction_interval"] == [0.5, 0.7]


@pytest.mark.parametrize("stage", ["evaluate", "generate"])
def test_numbers_of_other_networks_are_not_published(folder, stage, capsys):
    path = folder / "runs/own" / stage / "done.json"
    stamp = json.loads(path.read_text())
    write_json(path, stamp | {"inputs": stamp["inputs"] | {"generator": "another"}})
    assert published() == 2
    assert f"runs/own/{stage} was made with an earlier result of generator" in capsys.readouterr().err
    assert not (folder / "weights/own").exists() and not (folder / "results/published/own").exists()


def test_a_publication_is_a_copy_byte_for_byte_without_the_networks_of_before(folder):
    write_text(folder / "weights/own/encoded.npz", "of other networks")
    write_text(folder / "weights/own/old.weights.h5", "of other networks")
    write_text(folder / "weights/own/CARD.md", "about the networks")
    assert published() == 0
    for published_folder, own in (("weights/own", "runs/own/generator"), ("weights/unet", "runs/own/unet")):
        assert (folder / published_folder / "training.json").exists()
        (folder / published_folder / "training.json").unlink()
        assert contents(folder / published_folder) == contents(folder / own)
    assert {path.name for path in (folder / "weights/own").iterdir()} - {"history.csv"} == {
        *FILES,
        "manifest.json",
        "CARD.md",
    }


def test_a_publication_that_was_cut_short_is_no_folder_of_networks(folder, monkeypatch):
    assert published() == 0
    write_text(folder / "runs/own/generator" / FILES[0], "other numbers")
    write_manifest(folder / "runs/own/generator", FILES, {})
    copied = []

    def killed(source, target):
        if copied:
            raise KeyboardInterrupt
        copied.append(target.write_bytes(source.read_bytes()))

    monkeypatch.setattr("repro.network_folders.shutil.copyfile", killed)
    with pytest.raises(KeyboardInterrupt):
        copy_networks(folder / "runs/own/generator", folder / "weights/own")
    with pytest.raises(InputError, match=f"{FILES[0]} is damaged"):
        read_manifest(folder / "weights/own")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "runs/own/train-vae/done.json").unlink(), "run the stage 'train-vae' first"),
        (lambda folder: (folder / "runs/own/generator/done.json").unlink(), "run the stage 'generator' first"),
        (lambda folder: (folder / "runs/own/generator/formulas.npz").unlink(), "formulas.npz is missing: make it"),
        (lambda folder: (folder / "runs/own/generator/formulas.npz").write_text("?"), "formulas.npz is damaged"),
        (lambda folder: (folder / "runs/own/unet/unet.npz").write_text("?"), "unet.npz is damaged"),
        (lambda folder: write_json(folder / "runs/own/generator/manifest.json", {}), "manifest.json is damaged"),
        (
            lambda folder: write_json(folder / "runs/own/generator/manifest.json", {"sha256": {"../x": ""}}),
            "../x lies in another folder",
        ),
        (
            lambda folder: write_manifest(folder / "runs/own/generator", FILES, {}),
            "manifest.json is damaged or of an earlier version (KeyError: 'preset')",
        ),
        (lambda folder: (folder / "results/own/evaluation.json").unlink(), "evaluation.json is not there"),
        (lambda folder: (folder / "results/own/evaluation.json").write_text('{"vae": '), "evaluation.json is damaged"),
        (lambda folder: (folder / "results/own/evaluation.json").write_text("[]"), "lacks something"),
        (
            lambda folder: write_json(folder / "results/own/evaluation.json", MEASURED | {"routes": {"ours, rf": {}}}),
            "lacks something (KeyError: 'ours, fit'): run make evaluate generate again",
        ),
        (lambda folder: write_json(folder / "results/own/generate/summary.json", {}), "summary.json lacks something"),
    ],
    ids=[
        "no training", "no generator", "no formulas", "other formulas", "other unet", "empty manifest", "a path",
        "no facts", "no evaluation", "damaged", "a list", "earlier routes", "no random samples",
    ],
)  # fmt: skip
def test_nothing_is_replaced_where_something_is_missing(folder, capsys, spoil, said):
    spoil(folder)
    assert published() == 2
    assert said in capsys.readouterr().err
    assert not (folder / "weights").exists() and not (folder / "results/published").exists()


def test_a_run_of_any_crystal_needs_no_evaluation_and_says_where_its_numbers_come_from(any_crystal, capsys):
    assert published(preset="perov5") == 0
    assert contents(any_crystal / "weights/own") == contents(any_crystal / "runs/own/generator")
    record = json.loads((any_crystal / "weights/own/training.json").read_text())
    assert list(record) == ["train-vae"] and record["train-vae"]["preset"] == "perov5"
    assert not (any_crystal / "results/published").exists()
    told = capsys.readouterr().out
    assert "'python -m experiments perov5 --preset perov5 --source embedded --run own --publish'" in told
    assert "writes results/published/perov5.json" in told


def test_a_published_unet_is_copied_only_if_none_is_there(any_crystal):
    assert published(preset="perov5") == 0
    assert contents(any_crystal / "weights/unet") == contents(any_crystal / "runs/own/unet")
    write_manifest(any_crystal / "weights/unet", [UNET], {"of": "another run"})
    before = contents(any_crystal / "weights/unet")
    assert published(preset="perov5") == 0
    assert contents(any_crystal / "weights/unet") == before != contents(any_crystal / "runs/own/unet")
    assert not (any_crystal / "weights/unet/training.json").exists()  # of another run


def test_a_run_of_any_crystal_goes_to_a_folder_of_its_own(any_crystal, monkeypatch):
    monkeypatch.setattr("repro.evaluation.publish_generator.PEROV5_GENERATOR", any_crystal / "weights/theirs")
    named = ["publish-generator", "--run", "own", "--preset", "perov5", "--shared", "nowhere"]
    assert exit_code(main, named) == 0
    assert contents(any_crystal / "weights/theirs") == contents(any_crystal / "runs/own/generator")


@pytest.mark.parametrize(
    ("spoil", "preset", "said"),
    [
        (lambda run: (run / "generator/done.json").unlink(), "perov5", "run the stage 'generator' first"),
        (lambda run: None, "perov5-paper", "was made with"),
        (lambda run: (run / "generator/formulas.npz").unlink(), "perov5", "formulas.npz is missing: make it"),
        (lambda run: write_manifest(run / "generator", FILES, {}), "perov5", "manifest.json is damaged or of an"),
    ],
    ids=["no generator", "stale", "no formulas", "no facts"],
)
def test_of_any_crystal_nothing_is_replaced_where_something_is_missing(any_crystal, capsys, spoil, preset, said):
    spoil(any_crystal / "runs/own")
    assert published(preset=preset) == 2
    told = capsys.readouterr().err
    assert said in told and len(told.splitlines()) == 1
    assert not (any_crystal / "weights").exists()
