"""Figure 7: which crystals are shown, and that a drawn crystal has its sites and bonds."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments import figure7
from experiments.drawing import all_sites, as_plain, bonds, draw, formula_text, from_plain
from tests.support import made_up_generation
from tests.support.exit_code import run_experiment as main
from tests.support.made_up_generation import perovskite, rocksalt


def test_filtered_candidates_come_first_then_new_formulas(tmp_path):
    figure = figure7.compute(made_up_generation.generation(tmp_path))
    shown = [(one["family"], one["formula"], one["filtered"]) for one in figure["crystals"]]
    assert shown == [
        ("AB", "KCl", False), ("AB", "AlNi", False), ("ABX3", "CaTiO3", True), ("ABX3", "ThTiO3", True),
    ]  # fmt: skip
    assert "Heusler compound: none" in figure7.caption(figure) and "NdAl, PmTiO3, MnAl2Cr" in figure7.caption(figure)


def test_a_stored_structure_comes_back():
    structure = rocksalt("Na", "Cl", 5.6)
    again = from_plain(as_plain(structure))
    np.testing.assert_allclose(again.lattice.abc, structure.lattice.abc)
    np.testing.assert_allclose(again.distance_matrix, structure.distance_matrix, atol=1e-9)
    assert [site.specie.symbol for site in again] == ["Na", "Cl"]


def test_only_nearest_sites_are_joined():
    structure = perovskite("Sr", "Ti", 3.9)
    sites, numbers = all_sites(structure)
    assert (numbers.count(38), numbers.count(22), numbers.count(8)) == (8, 1, 6)
    joined = bonds(structure, sites)
    assert len(joined) == 6 and {frozenset((numbers[i], numbers[j])) for i, j in joined} == {frozenset((8, 22))}


def test_what_is_drawn_is_in_the_panel():
    axes = Figure().add_subplot()
    draw(axes, perovskite("Sr", "Ti", 3.9), formula_text("SrTiO3"))
    assert len(axes.patches) == 2 * 15  # each site with its highlight
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Sr", "Ti", "O"]
    assert axes.get_title() == "SrTiO$_{3}$"


@pytest.mark.slow
def test_the_files_are_written_twice_alike(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    results, _ = made_up_generation.write(tmp_path)
    contents = []
    for more in ([], ["--redraw"]):
        assert main(["figure7", *made_up_generation.RUN, *more]) == 0
        contents.append([(results / f"figure7.{suffix}").read_bytes() for suffix in ("svg", "png", "json")])
    assert contents[0] == contents[1] and all(len(content) > 1000 for content in contents[0])
    assert "Figure 7: KCl, AlNi, CaTiO3, ThTiO3" in capsys.readouterr().out


def test_without_a_crystal_there_is_nothing_to_draw(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    results, _ = made_up_generation.write(tmp_path, [made_up_generation.samples()[0]])
    assert main(["figure7", *made_up_generation.RUN]) == 0
    assert "nothing to draw" in capsys.readouterr().out
    assert (results / "figure7.json").exists() and not (results / "figure7.svg").exists()


@pytest.mark.parametrize(("symbol", "shown"), [("Fm-3m", r"Fm\bar{3}m"), ("P6_3/mmc", "P6_3/mmc"), ("P1", "P1")])
def test_a_space_group_is_written_with_its_bar(symbol, shown):
    assert figure7.mathematical(symbol) == shown
