"""Novelty: unique and new by formula and by structure, counted by hand; and what every experiment says without data."""

from itertools import pairwise

import pytest
from matplotlib.container import BarContainer

from experiments import novelty
from tests.support import made_up_generation
from tests.support.exit_code import run_experiment as main
from tests.support.made_up_generation import caesium_chloride

NAMES = ("table2", "table4", "figure6", "figure7", "novelty")


@pytest.fixture
def found(tmp_path):
    return novelty.compute(made_up_generation.generation(tmp_path))


def test_unique_and_new_are_counted_by_hand(found):
    around, random = found["groups"]["around"], found["groups"]["random"]
    assert (around["samples"], around["valid"]["count"]) == (20, 18)
    # MgO, BaTiO3, CaTiO3 three times, ThTiO3, MgTiO3, BaZrO3, NaCl ten times
    assert (around["unique_formulas"], around["unique_structures"]) == (7, 7)
    assert around["new_formula"]["count"] == around["new_structure"]["count"] == 7  # all but BaTiO3 and NaCl
    assert around["valid_unique_new"] == 5
    assert (random["unique_structures"], random["new_formula"]["count"], random["valid_unique_new"]) == (4, 3, 3)
    assert around["other_formula"] == random["other_formula"] == 0
    assert (random["charge_balanced"]["count"], random["charge_balanced"]["of"]) == (3, 4)


def test_a_known_formula_in_another_structure_is_new(tmp_path):
    rows = [row for row in made_up_generation.samples() if not row["base"]][:3]
    rows[2] |= {"structure": caesium_chloride("Na", "Cl", 3.5)}
    group = novelty.compute(made_up_generation.generation(tmp_path, rows))["groups"]["random"]
    assert (group["new_formula"]["count"], group["new_structure"]["count"]) == (1, 2)


def test_two_structures_of_one_formula_are_two(tmp_path):
    rows = [row for row in made_up_generation.samples() if row["base"] == "NaCl"][:4]
    rows[1] |= {"structure": caesium_chloride("Na", "Cl", 3.5)}
    group = novelty.compute(made_up_generation.generation(tmp_path, rows))["groups"]["around"]
    assert (group["unique_formulas"], group["unique_structures"], group["valid_unique_new"]) == (1, 2, 1)


def test_crowded_samples_are_counted_among_the_valid(tmp_path):
    rows = made_up_generation.samples()
    valid = [row for row in rows if row["valid"] and not row["base"]]
    for row, ratio in zip(valid, (0.69, 0.7, 1.02, 0.3), strict=True):
        row["closeness"] = ratio
    found = novelty.compute(made_up_generation.generation(tmp_path, rows))
    crowded = found["groups"]["random"]["crowded"]
    assert (crowded["count"], crowded["of"], crowded["share"]) == (2, 4, 0.5)
    assert found["groups"]["around"]["crowded"]["of"] == 0  # a table of an earlier version, without the column
    line = next(cells for cells in novelty.facts(found) if cells[0].startswith("atoms closer than 0.7"))
    assert line[1] == "–" and line[2].startswith("50.0 % [") and line[2].endswith("2 of 4")
    for group in found["groups"].values():
        del group["crowded"]
    assert not any(cells[0].startswith("atoms closer") for cells in novelty.facts(found))  # as stored before


def test_symmetry_distances_and_densities_stand_beside_the_training_part(found):
    random, training = found["groups"]["random"], found["training"]
    assert (random["p1"]["count"], random["cubic"]["count"], random["cubic"]["of"]) == (0, 4, 4)
    assert {one["number"]: one["count"] for one in training["spacegroups"]} == {221: 2, 225: 1}
    assert sorted(training["min_distances"]) == pytest.approx([3.91 / 2, 2.0, 5.64 / 2])
    assert random["densities"][1] == pytest.approx(2.06, abs=0.01)  # NaCl at 5.74 Å


def test_the_files_are_written_twice_alike(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    results, _ = made_up_generation.write(tmp_path)
    contents = []
    for more in ([], ["--redraw"]):
        assert main(["novelty", *made_up_generation.RUN, *more]) == 0
        contents.append([(results / f"novelty.{suffix}").read_bytes() for suffix in ("svg", "png", "json", "md")])
    assert contents[0] == contents[1] and all(len(content) > 500 for content in contents[0])
    assert "| new structure, of the valid | 38.9 % [" in capsys.readouterr().out


def test_a_run_whose_samples_all_fail_is_still_drawn(tmp_path):
    rows = [row | {"valid": False, "structure": None} for row in made_up_generation.samples()]
    found = novelty.compute(made_up_generation.generation(tmp_path, rows))
    novelty.render(found, tmp_path / "novelty")
    assert found["groups"]["random"]["unique_structures"] == 0 and (tmp_path / "novelty.png").exists()


def test_the_bars_of_three_ways_of_sampling_do_not_cover_each_other(tmp_path, monkeypatch):
    rows = made_up_generation.samples()
    for row in rows:
        if row["base"] == "NaCl":
            row["sampling"] = "neighbours"
    found = novelty.compute(made_up_generation.generation(tmp_path, rows))
    assert list(found["groups"]) == ["around", "neighbours", "random"]
    drawings = []
    monkeypatch.setattr(novelty.style, "save", lambda drawing, path: drawings.append(drawing) or [])
    novelty.render(found, tmp_path / "novelty")
    for axes, bars in zip(drawings[0].axes[:2], (3, 4), strict=True):
        containers = [one for one in axes.containers if isinstance(one, BarContainer)]
        ends = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for one in containers for bar in one)
        assert len(containers) == bars and all(end <= start for (_, end), (start, _) in pairwise(ends))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "run the stage 'generate' first"), ("", "has no rows"), ("id\n1\n", "has no column target")],
    ids=["missing", "empty", "without a column"],
)
def test_without_a_generation_each_says_what_to_run(tmp_path, monkeypatch, capsys, name, content, said):
    monkeypatch.chdir(tmp_path)
    results, _ = made_up_generation.write(tmp_path)
    path = results.relative_to(tmp_path) / "generate" / "candidates.csv"
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert main([name, *made_up_generation.RUN]) == 2
    error = capsys.readouterr().err
    assert said in error and str(path) in error and error.count("\n") == 1


@pytest.mark.parametrize("name", NAMES)
def test_nothing_stored_cannot_be_drawn_again(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    assert main([name, *made_up_generation.RUN, "--redraw"]) == 2
    assert f"run 'make {name}' first" in capsys.readouterr().err
