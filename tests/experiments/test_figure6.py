"""Figure 6: the random samples counted by hand, drawn, and nothing to draw."""

import json
from dataclasses import replace

import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from experiments import figure6
from repro import stamps
from repro.evaluation.metrics import rank_correlation
from tests.support import made_up_generation
from tests.support.exit_code import run_experiment as main
from tests.support.made_up_run import finished_stages, made_up_run


@pytest.fixture
def figure(tmp_path):
    return figure6.compute(made_up_generation.generation(tmp_path))


def test_samples_that_were_compared_with_other_data_are_refused(tmp_path, monkeypatch, capsys):
    """A known formula that the data lack now; and a stamp that knows other data."""
    generation = made_up_generation.generation(tmp_path)
    fewer = replace(generation, dataset=replace(generation.dataset, crystals=generation.dataset.crystals[:1]))
    with pytest.raises(InputError, match="as a known formula, the run's data do not have it: run the stage 'generate'"):
        figure6.matched(fewer, fewer.random)
    monkeypatch.chdir(tmp_path)
    finished_stages(made_up_run())
    assert main(["figure6", *made_up_generation.RUN, "--shared", "nowhere"]) == 0
    finished_stages(made_up_run(), ["data"])
    stamp = stamps.read(tmp_path / "runs/made-up/data")
    write_json(tmp_path / "runs/made-up/data/done.json", stamp | {"identity": "of other data"})
    assert main(["figure6", *made_up_generation.RUN, "--shared", "nowhere"]) == 2
    assert "was made with an earlier result of data" in capsys.readouterr().err
    assert main(["figure6", *made_up_generation.RUN, "--redraw"]) == 0  # what is stored is still drawn


def test_the_samples_are_counted_by_hand(figure):
    assert figure["samples"] == 6
    assert (figure["valid"]["count"], figure["valid"]["of"]) == (4, 6)
    assert (figure["negative"]["count"], figure["negative"]["of"]) == (2, 4)
    assert [(one["type"], one["count"], one["in_training"]) for one in figure["types"]] == [
        ("AB", 3, True), ("A", 1, False),
    ]  # fmt: skip
    assert figure["types"][0]["energies"] == [-3.6, -1.5, 0.4] and figure["beyond_training"]["count"] == 1
    assert [one["formula"] for one in figure["examples"]] == ["Fe"]


def test_elements_are_counted_once_a_crystal_beside_the_training_part(figure):
    counts = {one["element"]: (one["count"], one["share"]) for one in figure["elements"]}
    assert counts["Cl"] == (2, 0.5) and counts["Fe"] == (1, 0.25) and "O" not in counts
    shares = {one["element"]: one["training_share"] for one in figure["elements"]}
    assert shares["Cl"] == pytest.approx(1 / 3) and shares["Fe"] == 0


def test_known_formulas_are_compared_with_their_labels(figure):
    found = figure["matches"]
    assert [row["formula"] for row in found["rows"]] == ["KCl", "NaCl"]
    assert (found["known"]["count"], found["structure_matches"], found["held_out"]) == (2, 1, 1)
    assert found["energy"]["mean"] == pytest.approx((1.4 + 0.5) / 2)
    assert found["same_cell_length"]["mean"] == pytest.approx(0.1 / 2**0.5, abs=1e-4)  # NaCl's, 5.74 for 5.64
    assert found["same_cell_length"]["count"] == 1 and found["length"]["count"] == 2


def test_energies_by_the_decile_asked_for(figure):
    found = figure["conditions"]
    assert [one["energies"] for one in found["deciles"]] == [[-3.6], [], [], [], [], [0.1], [], [], [], [-1.5, 0.4]]
    assert [found["deciles"][place]["valid"]["of"] for place in (0, 5, 9)] == [2, 2, 2]
    # -3.6 lies in the lowest decile, 0.4 in the highest; -1.5 is the upper edge of the ninth, 0.1 in the tenth
    assert (found["hits"]["count"], found["hits"]["of"]) == (2, 4)
    assert found["spearman"]["rho"] == pytest.approx(0.632, abs=0.001)


def test_a_rank_correlation_has_an_interval_or_none():
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    found = rank_correlation(x, x + 0.5 * rng.normal(size=60), seed=0)
    low, high = found["interval"]
    assert 0.7 < low < found["rho"] < high < 1 and found["count"] == 60
    assert found == rank_correlation(x, x + 0.5 * np.random.default_rng(0).normal(size=120)[60:], seed=0)
    assert rank_correlation([1, 2], [1, 2], seed=0)["rho"] is None
    assert rank_correlation([1, 1, 1], [1, 2, 3], seed=0)["interval"] is None


@pytest.mark.slow
def test_the_files_are_written_and_hold_the_papers_numbers(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    results, _ = made_up_generation.write(tmp_path)
    assert main(["figure6", *made_up_generation.RUN]) == 0
    text = (results / "figure6.md").read_text()
    assert text in capsys.readouterr().out
    assert "| valid, of the samples | 76 %, 760 of 1,000 | 66.7 % [" in text and "4 of 6 |" in text
    assert "| formula in the data, of the valid | 75 of 760 | 50.0 % [" in text
    assert "| MAE of Ef of these (eV/atom) | 0.6 | 0.95 [" in text
    first = [(results / f"figure6.{suffix}").read_bytes() for suffix in ("svg", "png", "json")]
    assert all(len(content) > 3000 for content in first)
    assert main(["figure6", *made_up_generation.RUN, "--redraw"]) == 0
    assert first == [(results / f"figure6.{suffix}").read_bytes() for suffix in ("svg", "png", "json")]
    assert json.loads(first[2])["paper"]["matches"]["value"] == 75


def test_a_run_whose_samples_all_fail_is_still_drawn(tmp_path):
    rows = [row | {"valid": False, "structure": None} for row in made_up_generation.samples() if not row["base"]]
    figure = figure6.compute(made_up_generation.generation(tmp_path, rows))
    assert figure["valid"]["count"] == 0 and figure["negative"]["share"] is None
    figure6.render(figure, tmp_path / "figure6")
    assert (tmp_path / "figure6.png").exists()


def test_without_random_samples_it_says_so(tmp_path):
    rows = [row for row in made_up_generation.samples() if row["base"]]
    with pytest.raises(InputError, match="has no random sample"):
        figure6.compute(made_up_generation.generation(tmp_path, rows))
