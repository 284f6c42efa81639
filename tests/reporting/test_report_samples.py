"""The report's sections on samples: drawn from what is stored, never computed, and out of date when it is."""

import importlib
from dataclasses import replace

import pytest

from experiments.reporting.markup import to_html, to_markdown
from experiments.reporting.material import gather
from experiments.reporting.report import compose
from experiments.reporting.stored_sections import beyond_the_paper, figure_6, figure_7, table_2, table_4
from tests.support import made_up_generation, made_up_run
from tests.support.exit_code import run_experiment as main

SECTIONS = {"table2": table_2, "table4": table_4, "figure6": figure_6, "figure7": figure_7, "novelty": beyond_the_paper}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of which nothing but a generation is left, with every experiment on it."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("project")
        patch.chdir(folder)
        made_up_generation.write(folder)
        for name in SECTIONS:
            assert main([name, *made_up_generation.RUN]) == 0
        yield made_up_run.made_up_run()


def test_the_sections_hold_the_numbers_of_the_files(made):
    material = replace(gather(made), candidates=[])
    document = compose(material)
    markdown = to_markdown(document, made.results)
    assert "| unique composition | 20 | 2 | 1.5 [0.0, 3.0] | 15.0 |" in markdown
    assert "| CaTiO3 ✓ | 3, 3 | yes | 0.10 |" in markdown
    assert "| valid, of the samples | 76 %, 760 of 1,000 | 66.7 % [" in markdown
    assert "Heusler compound: none" in markdown and "| distinct structures | 7 | 4 | – |" in markdown
    for name in ("figure6", "figure7", "novelty"):
        assert f"({name}.png)" in markdown
    assert to_html(document).count("data:image/svg+xml;base64,") == 3


def test_a_section_computes_nothing(made, monkeypatch):
    for name in SECTIONS:
        monkeypatch.setattr(importlib.import_module(f"experiments.{name}"), "compute", None)
    assert all(len(section(gather(made)).blocks) >= 1 for section in SECTIONS.values())


def test_a_result_of_an_earlier_generation_is_not_shown(made):
    path = made.results / "generate" / "candidates.csv"
    text = path.read_text()
    try:
        path.write_text(text + "\n")
        for name, section in SECTIONS.items():
            (block,) = section(gather(made)).blocks
            assert block.text == f"Out of date: the crystals were generated anew since; run make {name} again."
    finally:
        path.write_text(text)
