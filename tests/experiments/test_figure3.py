"""Figure 3: silhouettes of known points, an embedding that keeps clusters apart, and files that are written."""

import numpy as np
import pytest

from data_prep.errors import InputError
from experiments import figure3
from experiments.stored import Stored
from tests.support.exit_code import run_experiment as main


def clusters(count: int = 30, apart: float = 30.0) -> Stored:
    """Three families of ``count`` structures each around points far from each other in 8 dimensions."""
    rng = np.random.default_rng(0)
    families = np.repeat(["AB", "ABX3", "ABX2"], count)
    centres = apart * np.eye(8)[np.repeat(range(3), count)]
    names = np.array([f"made-{i}" for i in range(3 * count)])
    arrays = {"mean": centres + rng.normal(0, 1, centres.shape), "log_var": np.zeros(centres.shape),
              "families": families, "energies": rng.uniform(-3, 0, 3 * count), "ids": names,
              "formulas": names, "conditions": np.zeros(3 * count, int)}  # fmt: skip
    return Stored({}, arrays)


def test_silhouettes_of_points_on_a_line():
    """AB at 0 and 1, ABX3 at 4 and 6: a = 1, b = 5 for the first point, and so on."""
    points, families = np.array([[0.0], [1.0], [4.0], [6.0]]), np.array(["AB", "AB", "ABX3", "ABX3"])
    found = figure3.silhouettes(points, families)
    each = [(5 - 1) / 5, (4 - 1) / 4, (3.5 - 2) / 3.5, (5.5 - 2) / 5.5]
    assert found["all"] == pytest.approx(np.mean(each))
    assert found["AB"] == pytest.approx(np.mean(each[:2]))
    assert found["ABX3"] == pytest.approx(np.mean(each[2:]))
    assert found["ABX2"] is None


@pytest.mark.parametrize("families", [["AB"] * 3, ["AB", "ABX3", "ABX2"]], ids=["one family", "none with two"])
def test_no_silhouette_without_families_to_compare(families):
    assert figure3.silhouettes(np.eye(3), np.array(families))["all"] is None


def test_clusters_stay_apart_in_the_plane():
    found = figure3.embed(clusters(), seed=0)
    assert found.arrays["plane"].shape == (90, 2) and np.isfinite(found.arrays["plane"]).all()
    assert found.facts["silhouette"]["latent"]["all"] > 0.8
    assert found.facts["silhouette"]["plane"]["all"] > 0.8
    assert found.facts["families"] == {"AB": 30, "ABX3": 30, "ABX2": 30}
    assert found.facts["paper"] == {"structures": 5000}
    mixed = clusters(apart=0.0)
    assert abs(figure3.embed(mixed, seed=0).facts["silhouette"]["plane"]["all"]) < 0.2
    np.testing.assert_array_equal(found.arrays["plane"], figure3.embed(clusters(), seed=0).arrays["plane"])


def test_few_structures_are_embedded_and_too_few_refused():
    found = figure3.embed(clusters(count=2), seed=0)
    assert found.arrays["plane"].shape == (6, 2) and found.facts["perplexity"] == pytest.approx(5 / 3)
    few = Stored({}, {name: values[:2] for name, values in clusters().arrays.items()})
    with pytest.raises(InputError, match="2 encoded structures are too few"):
        figure3.embed(few, seed=0)


def test_rendering_twice_gives_the_same_files(tmp_path):
    found = figure3.embed(clusters(count=4), seed=0)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        figure3.render(found, tmp_path / name / "figure3")
    for suffix in (".svg", ".png"):
        first, second = ((tmp_path / name / f"figure3{suffix}").read_bytes() for name in ("first", "second"))
        assert first == second and len(first) > 5000


def test_a_missing_family_is_drawn_as_none(tmp_path):
    kept = clusters().arrays["families"] != "AB"
    two = Stored({}, {name: values[kept] for name, values in clusters().arrays.items()})
    found = figure3.embed(two, seed=0)
    figure3.render(found, tmp_path / "figure3")
    assert "AB 0, ABX3 30, ABX2 30" in figure3.summary(found.facts)
    assert "AB –" in figure3.summary(found.facts)


def test_without_a_trained_vae_it_says_what_to_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["figure3", "--preset", "smoke", "--run", "none"]) == 2
    error = capsys.readouterr().err
    assert "run the stage 'train-vae' first" in error and error.count("\n") == 1
