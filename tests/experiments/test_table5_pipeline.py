"""Table 5 as a user runs it, at the smoke preset, then Figures 2 and 3 of one of its runs."""

import json

import numpy as np
import pytest

from experiments import figure2
from repro.run import Run
from repro.training.train_vae import trained_vae
from tests.support.exit_code import run_experiment as main
from tests.support.pipeline import small_source

pytestmark = pytest.mark.nightly  # minutes: two UNets and three VAEs; test_table5.py has what is shared and repeated

OF_RUN = ("--preset", "smoke", "--source", "crystals.csv", "--shared", "nowhere")
LAST = "test-table5-dfc-sigma_r-seed_0"  # the preset itself


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which Table 5 was made on a small table of made-up crystals."""
    folder = tmp_path_factory.mktemp("ablations")
    small_source(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["table5", *OF_RUN, "--run", "test"]) == 0
        yield folder


def test_the_ablations_train_what_differs_and_share_what_does_not(finished):
    runs = sorted(path for path in (finished / "runs").iterdir())
    assert len(runs) == 3
    links = sorted(f"{path.parent.name}/{path.name}" for run in runs for path in run.iterdir() if path.is_symlink())
    assert len(links) == 4  # data twice, maps and UNet of sigma 1 once
    weights = {(run / "train-vae" / "best.weights.h5").read_bytes() for run in runs}
    assert len(weights) == 3
    stamp = {run.name: json.loads((run / "train-vae" / "done.json").read_text()) for run in runs}
    assert sorted("train-unet" in one["inputs"] for one in stamp.values()) == [False, True, True]  # no DFC, no UNet


def test_the_table_holds_every_measured_number(finished):
    table = json.loads((finished / "results/test/table5.json").read_text())
    for row in table["rows"]:
        name = f"test-table5-{row['ablation']}-seed_0"
        evaluation = json.loads((finished / "results" / name / "evaluation.json").read_text())
        assert list(evaluation["vae"]) == ["ours"]
        assert row["mse"]["values"] == [evaluation["vae"]["ours"]["all"]["mse"]]
        assert row["structures"] == [evaluation["vae"]["ours"]["all"]["count"]]
    first, second, third = (row["recall"]["mean"] for row in table["rows"])
    assert first == second  # of one UNet
    assert table["preset"] == "smoke" and table["source"] == "crystals.csv"


def test_the_same_command_trains_nothing_again(finished, capsys):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*.weights.h5")}
    assert main(["table5", *OF_RUN, "--run", "test"]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in finished.rglob("*.weights.h5")}
    assert "epoch" not in capsys.readouterr().out


def test_figure_2_comes_from_the_trained_networks(finished, capsys):
    assert main(["figure2", *OF_RUN, "--run", LAST]) == 0
    facts = json.loads((finished / f"results/{LAST}/figure2.json").read_text())
    with np.load(finished / f"results/{LAST}/figure2.npz") as arrays:
        pairs = len(facts["pairs"])
        assert arrays["true"].shape == (pairs, 2, 16, 16) and arrays["decoded"].shape == (pairs, 8, 16, 16)
        assert arrays["densities"].shape == (256, len(figure2.POINTS))
        assert (arrays["true"] != arrays["decoded"][:, ::7]).any()
    assert 5 <= pairs <= 10 and facts["latent"]["dimensions"] == 256
    parts = json.loads((finished / f"runs/{LAST}/data/split.json").read_text())["parts"]
    assert facts["latent"]["crystals"] == list(parts.values()).count("train")
    if facts["path"]:
        assert all(sum(way["failures"].values()) + way["decoded"] == 40 for way in facts["path"]["ways"].values())
    assert "figure2: results" in capsys.readouterr().out


def test_figure_3_encodes_the_training_part(finished, capsys):
    assert main(["figure3", *OF_RUN, "--run", LAST]) == 0
    facts = json.loads((finished / f"results/{LAST}/figure3.json").read_text())
    with np.load(finished / f"results/{LAST}/latent.npz") as arrays:
        assert arrays["mean"].shape == (facts["structures"], 256) and np.isfinite(arrays["log_var"]).all()
        _same_as_encoding(finished, arrays)
    assert -1 <= facts["silhouette"]["latent"]["all"] <= 1
    assert (finished / f"results/{LAST}/figure3.svg").exists()


def _same_as_encoding(finished, arrays) -> None:
    """One structure encoded by hand gives the stored mean."""
    from data_prep.conditions import one_hot
    from data_prep.voxelize import input_maps
    from repro.presets import SMOKE
    from repro.training.dataset import load_dataset, load_store

    run = Run(SMOKE, "crystals.csv", LAST, finished)
    dataset, store = load_dataset(run), load_store(run)
    index = [crystal.id for crystal in dataset.crystals].index(str(arrays["ids"][3]))
    maps, condition = input_maps(store.density(index), store.lengths[index]), one_hot(dataset.bins[[index]], 10)
    mean, _ = trained_vae(run).encoder.predict_on_batch({"maps": maps[None], "condition": condition})
    np.testing.assert_allclose(np.asarray(mean)[0], arrays["mean"][3], atol=1e-4)
