"""Figure 2: moments and densities of the latent, straight lines, and what stands on the A-site along them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from data_prep.crystal import Crystal
from experiments import figure2, interpolation, latent_space
from experiments.stored import Stored, identity_of_networks, present, write
from models.decoding.atoms import Decoded, Undecodable
from repro.run import Run
from repro.training.dataset import Dataset
from tests.support.exit_code import run_experiment as main
from tests.support.made_up_crystals import made_up_crystals
from tests.support.made_up_run import finished_stages, made_up_run

CORNER = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]  # A, B, X, X, X
MIDDLE = [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]

WAYS = ("vote", "fit")  # of a VAE that does not give the composition


def perovskite(a: int, b: int, x: int, sites=CORNER, energy=-1.0) -> Crystal:
    numbers = np.array([a, b, x, x, x])
    formula = interpolation.formula_of(a, b, x)
    return Crystal(f"{formula}-{sites[0][0]:g}", formula, np.full(3, 4.0), np.full(3, 90.0), numbers,
                   np.array(sites, float), energy)  # fmt: skip


def dataset_of(crystals, bins=None, parts=None, conditions=10) -> Dataset:
    bins = np.zeros(len(crystals), int) if bins is None else np.array(bins)
    parts = np.array(["train"] * len(crystals) if parts is None else parts)
    return Dataset(list(crystals), parts, np.linspace(-2, 0, conditions - 1), bins)


def decoded(numbers, sites=CORNER, a=4.0) -> Decoded:
    sites = np.array(sites, float)[: len(numbers)]
    return Decoded(np.array(numbers), sites * a, sites, np.full(3, a))


def test_moments_and_inactive_dimensions():
    mean, log_var = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([[0.0, 0.0], [0.0, np.log(1.01)]])
    z = np.array([[2.0, 1.0], [0.0, 1.0]])
    found = latent_space.moments(mean, log_var, z)
    assert found["sampled"] == {"mean": 1.0, "variance": 0.5}
    assert found["centre"] == {"mean": 0.0, "variance": 0.5}
    assert found["paper"] == {"mean": 0, "variance": 0.99}
    second = 0.25 * (0.01 - np.log(1.01))
    np.testing.assert_allclose(found["divergence_of_dimension"], [0.5, second])
    assert found["divergence"] == pytest.approx(0.5 + second)
    assert (found["inactive"], found["dimensions"], found["crystals"]) == (1, 2, 2)


def test_drawn_latents_have_the_encoders_mean_and_deviation():
    mean, log_var = np.full((20_000, 1), 3.0), np.full((20_000, 1), np.log(4.0))
    z = latent_space.sampled(mean, log_var, seed=1)
    assert z.mean() == pytest.approx(3, abs=0.05) and z.std() == pytest.approx(2, abs=0.05)
    np.testing.assert_array_equal(z, latent_space.sampled(mean, log_var, seed=1))
    np.testing.assert_allclose(latent_space.sampled(mean[:3], np.full((3, 1), -200.0), seed=2), 3.0)


def test_the_density_is_a_sum_of_gaussians_of_scotts_width():
    z = np.array([[-1.0, 5.0], [0.0, 5.0], [1.0, 5.0]])  # of variance 1, and a dimension that does not vary
    density = latent_space.densities(z, np.array([0.0]))
    width = 3 ** (-1 / 5)
    expected = (1 + 2 * np.exp(-1 / (2 * width**2))) / (3 * width * np.sqrt(2 * np.pi))
    assert density[0, 0] == pytest.approx(expected)
    assert np.isnan(density[1, 0])
    assert np.isnan(latent_space.densities(z[:2], np.array([0.0]))).all()


def test_a_line_is_straight_and_holds_both_ends():
    found = interpolation.line(np.array([0.0, 1.0]), np.array([1.0, -1.0]), 5)
    np.testing.assert_allclose(found, [[0, 1], [0.25, 0.5], [0.5, 0], [0.75, -0.5], [1, -1]])
    assert found.dtype == np.float32


def test_each_condition_has_a_pair_of_one_family_and_two_formulas():
    crystals = made_up_crystals(30)
    bins = [0] * 15 + [4] * 14 + [9]  # a condition with one crystal has no pair
    dataset = dataset_of(crystals, bins, ["train"] * 12 + ["test"] * 3 + ["train"] * 15)
    pairs = interpolation.pairs_by_condition(dataset, seed=3)
    assert [condition for condition, _, _ in pairs] == [0, 4]
    for condition, *ends in pairs:
        first, second = (crystals[index] for index in ends)
        assert first.formula != second.formula and first.family == second.family
        assert all(bins[index] == condition and dataset.parts[index] == "train" for index in ends)
    assert pairs == interpolation.pairs_by_condition(dataset, seed=3)
    alone = dataset_of(made_up_crystals(2), [0, 0])  # two families
    assert len(interpolation.pairs_by_condition(alone, seed=0)) == 1


def test_the_papers_pair_is_taken_where_it_is():
    crystals = [perovskite(57, 24, 8), perovskite(70, 24, 8), perovskite(58, 24, 8), perovskite(71, 24, 8)]
    first, last = interpolation.nearest_ends(dataset_of(crystals))
    assert [crystals[end.index].formula for end in (first, last)] == list(interpolation.ENDS)
    assert (first.a, first.b, first.x, last.a) == (58, 24, 8, 70)
    np.testing.assert_array_equal(first.place, [0, 0, 0])


def test_otherwise_the_nearest_pair_that_shares_b_and_x_and_the_place_of_a():
    """CeCrO3 and YbCrO3 hold A on different places; with iron 2 + 2 off, and with A off by 1 + 1 of chromium."""
    crystals = [
        perovskite(58, 24, 8), perovskite(70, 24, 8, MIDDLE), perovskite(58, 26, 8), perovskite(70, 26, 8),
        perovskite(69, 24, 8), perovskite(38, 22, 8), perovskite(56, 22, 8),
    ]  # fmt: skip
    first, last = interpolation.nearest_ends(dataset_of(crystals))
    assert [crystals[end.index].formula for end in (first, last)] == ["CeCrO3", "TmCrO3"]
    first, last = interpolation.nearest_ends(dataset_of(crystals[:4]))
    assert [crystals[end.index].formula for end in (first, last)] == ["CeFeO3", "YbFeO3"]
    assert interpolation.nearest_ends(dataset_of(crystals[:2])) is None
    assert interpolation.nearest_ends(dataset_of(made_up_crystals(3))) is None


def test_of_equal_crystals_the_one_of_lowest_energy_is_an_end():
    crystals = [perovskite(58, 24, 8), perovskite(70, 24, 8, energy=-1.0), perovskite(70, 24, 8, energy=-2.0)]
    assert interpolation.nearest_ends(dataset_of(crystals))[1].index == 2


def test_the_a_site_is_the_decoded_site_nearest_to_its_place():
    place = np.zeros(3)
    assert interpolation.element_at(place, decoded([67, 24, 8, 8, 8])) == 67
    moved = replace(decoded([67, 24, 8, 8, 8]), cartesian=np.array(CORNER) * 4 + [0.4, 0, 0])
    assert interpolation.element_at(place, moved) == 67
    moved = replace(moved, cartesian=np.array(CORNER) * 4 + [0.6, 0, 0])  # beyond half an Å
    assert interpolation.element_at(place, moved) == 0
    assert interpolation.element_at(place, Undecodable("no density")) == 0


def test_a_member_has_b_and_x_in_full():
    end = interpolation.readings([perovskite(58, 24, 8)])[0]
    assert interpolation.is_member(end, decoded([67, 24, 8, 8, 8]))
    assert not interpolation.is_member(end, decoded([67, 25, 8, 8, 8]))
    assert not interpolation.is_member(end, decoded([67, 24, 8, 8]))
    assert not interpolation.is_member(end, Undecodable("no density"))


def test_members_are_counted_and_told_from_the_training_set():
    end = interpolation.readings([perovskite(58, 24, 8)])[0]
    elements, whole = np.array([58, 58, 0, 67, 67]), np.array([True, False, False, True, True])
    cerium, holmium = interpolation.members(elements, whole, end, {"CeCrO3", "HoCrO3"}, {"CeCrO3"})
    assert (cerium["formula"], cerium["points"], cerium["whole"], cerium["first"], cerium["last"]) == (
        "CeCrO3", 2, 1, 0.0, 0.25,
    )  # fmt: skip
    assert (holmium["element"], holmium["points"], holmium["whole"]) == ("Ho", 2, 2)
    assert (cerium["in_training"], holmium["in_training"], holmium["in_data"]) == (True, False, True)


def made_up_figure(pairs: int = 3, steps: int = 12) -> Stored:
    """What ``compute`` returns, made up: three pairs and a path through four elements."""
    rng = np.random.default_rng(0)
    mean, log_var = rng.normal(0, 1, (50, 6)), np.full((50, 6), -1.0)
    mean[:, 5], log_var[:, 5] = 0.0, 0.0
    z = latent_space.sampled(mean, log_var, 0)
    end = interpolation.readings([perovskite(58, 24, 8)])[0]
    elements = np.repeat([58, 60, 67, 0], steps // 4)
    ways = {
        way: {"decoded": steps, "failures": {}, "on_site": 9, "whole": 9,
              "members": interpolation.members(elements, elements > 0, end, set(), {"CeCrO3"})}
        for way in WAYS
    }  # fmt: skip
    ends = [{"formula": f, "id": f, "a": a, "b": 24, "x": 8, "part": "train", "condition": 0}
            for f, a in (("CeCrO3", 58), ("YbCrO3", 70))]  # fmt: skip
    path = {"ends": ends, "papers_ends": True, "condition": 0, "steps": steps, "ways": ways}
    named = [
        {"condition": c, "range": [None, -1.5] if c == 0 else [-1.5, None], "formulas": ["NaCl", "KCl"],
         "ids": ["a", "b"], "families": ["AB", "AB"]}
        for c in range(pairs)
    ]  # fmt: skip
    arrays = {
        "points": figure2.POINTS, "densities": latent_space.densities(z, figure2.POINTS),
        "true": rng.random((pairs, 2, 8, 8)), "decoded": rng.random((pairs, figure2.BETWEEN, 8, 8)),
        **{f"path_{way}": elements for way in WAYS}, **{f"whole_{way}": elements > 0 for way in WAYS},
    }  # fmt: skip
    return Stored({"latent": latent_space.moments(mean, log_var, z), "pairs": named, "path": path}, arrays)


@pytest.mark.slow
def test_rendering_twice_gives_the_same_files(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        figure2.render(made_up_figure(), tmp_path / name / "figure2")
    for suffix in (".svg", ".png"):
        first, second = ((tmp_path / name / f"figure2{suffix}").read_bytes() for name in ("first", "second"))
        assert first == second and len(first) > 5000


def test_without_pairs_or_path_it_is_still_drawn(tmp_path):
    found = made_up_figure(pairs=0)
    figure2.render(Stored(found.facts | {"path": None}, found.arrays), tmp_path / "figure2")
    assert (tmp_path / "figure2.png").exists()
    assert "there is no path to follow" in figure2.summary(found.facts | {"path": None})


def test_the_summary_names_what_is_not_in_the_training_set():
    text = figure2.summary(made_up_figure().facts)
    assert "6 latent dimensions of 50 encoded training crystals" in text and "(paper: 0 and 0.99)" in text
    assert "1 dimensions are inactive" in text
    assert "From CeCrO3 to YbCrO3, 12 points." in text
    assert "not in the training set: NdCrO3, HoCrO3" in text


def test_what_is_stored_holds_for_the_same_networks_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = made_up_run()
    found = made_up_figure()
    assert present("figure2", run, figure2.NETWORKS) is None  # nothing trained
    finished_stages(run)
    identity = identity_of_networks(run, figure2.NETWORKS)
    write(run.results / "figure2", identity, found)
    again = present("figure2", run, figure2.NETWORKS)
    np.testing.assert_array_equal(again.arrays["true"], found.arrays["true"])
    assert again.facts == {k: v for k, v in json.loads((run.results / "figure2.json").read_text()).items()
                           if k != "identity"}  # fmt: skip
    other = replace(run, preset=replace(run.preset, vae=replace(run.preset.vae, beta=0.1)))
    assert present("figure2", other, figure2.NETWORKS) is None
    (run.results / "figure2.npz").write_bytes(b"cut short")
    assert present("figure2", run, figure2.NETWORKS) is None


def test_a_finished_figure_is_drawn_without_computing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = Run(made_up_run().preset, "embedded", "made-up", tmp_path)
    finished_stages(run)
    write(run.results / "figure2", identity_of_networks(run, figure2.NETWORKS), made_up_figure())
    monkeypatch.setattr(figure2, "compute", lambda *_: pytest.fail("it was computed again"))
    assert main(["figure2", "--preset", "laptop", "--run", "made-up"]) == 0
    assert "figure2: results/made-up/figure2.svg" in capsys.readouterr().out
    assert (run.results / "figure2.svg").exists()


def test_without_trained_networks_it_says_what_to_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["figure2", "--preset", "smoke", "--run", "none"]) == 2
    error = capsys.readouterr().err
    assert "run the stage 'generator' first" in error and error.count("\n") == 1
    assert not (tmp_path / "results").exists()
