"""A run's generator is published whole or not at all."""

import pytest

from data_prep.files.atomic import write_json
from repro import stamps
from repro.__main__ import main
from repro.generation import publish
from repro.run import Run

METRICS = {"mse": 0.1, "density_mse": 0.2, "kld": 3.0, "lattice_error": [0.1, 0.2, 0.3], "count": 4}
ROUTE = {"emd": 0.5, "delta_n": 1.0, "species_right": 0.8, "exact_fraction": 0.6}
MEASURED = {
    "vae": {"ours": {"all": METRICS, "AB": METRICS}},
    "routes": {f"{maps}, {by}": {"all": ROUTE, "AB": ROUTE} for maps in ("ours", "true map") for by in ("fit", "unet")},
    "unet": {"nonzero_recall": 0.9, "nonzero_recall_argmax": 0.8, "occupied_voxels": 7},
    "elements": {"ours, fit": {"Na": 1.0}},
}
GENERATED = {name: {"valid_share": 0.9, "samples": 10} for name in ("random", "around a base")}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A run whose trainings, evaluation and generation are made up; publishing its networks is only noted."""
    monkeypatch.chdir(tmp_path)
    for stage in ("train-unet", "train-vae"):
        stamps.finish(tmp_path / "runs/test" / stage, {}, {}, 1.0, {"epochs": 2})
    write_json(tmp_path / "results/test/evaluation.json", MEASURED)
    write_json(tmp_path / "results/test/generate/summary.json", GENERATED)
    monkeypatch.setattr(publish, "publish_generator", _noted)
    return tmp_path


def _noted(run: Run, folder, facts: dict) -> None:
    write_json(folder / "manifest.json", facts)


def published() -> int:
    return main(["publish-generator", "--run", "test", "--preset", "smoke", "--to", "weights"])


def test_the_numbers_stand_beside_the_networks(folder):
    assert published() == 0
    assert '"epochs": 2' in (folder / "weights/manifest.json").read_text()
    text = (folder / "results/published/weights/evaluation.json").read_text()
    assert '"exact_fraction": 0.6' in text and '"valid_random": 0.9' in text


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "runs/test/train-vae/done.json").unlink(), "run make train-vae first"),
        (lambda folder: (folder / "results/test/evaluation.json").unlink(), "evaluation.json is not there"),
        (lambda folder: (folder / "results/test/evaluation.json").write_text('{"vae": '), "evaluation.json is damaged"),
        (lambda folder: (folder / "results/test/evaluation.json").write_text("[]"), "lacks something"),
        (lambda folder: write_json(folder / "results/test/generate/summary.json", {}), "summary.json lacks something"),
    ],
    ids=["no training", "no evaluation", "damaged", "a list", "no random samples"],
)
def test_nothing_is_replaced_where_something_is_missing(folder, capsys, spoil, said):
    spoil(folder)
    assert published() == 2
    assert said in capsys.readouterr().err
    assert not (folder / "weights").exists() and not (folder / "results/published").exists()
