"""The report's sections on Figures 2 and 3 and Table 5: what is stored is drawn, what is not is named."""

from dataclasses import replace

import pytest

from experiments import figure2, figure3, latent_space, table5
from experiments.reporting.document import Figure, Table, Text
from experiments.reporting.material import gather
from experiments.reporting.stored_sections import density_slices, figure_2, figure_3, table_5
from experiments.stored import identity_of_networks, write
from tests.experiments.test_figure2 import made_up_figure
from tests.experiments.test_figure3 import clusters
from tests.experiments.test_table5 import as_printed
from tests.support.made_up_run import finished_stages, made_up_run


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = made_up_run()
    finished_stages(run)
    return run


def test_what_is_not_there_is_named_with_its_target(run):
    material = gather(run)
    sections = {"figure2": figure_2, "figure3": figure_3, "table5": table_5, "slices": density_slices}
    for target, section in sections.items():
        (block,) = section(material).blocks
        assert f"Not run yet: make {target} has left no result" in block.text


def test_figure_2_is_drawn_with_its_numbers_and_members(run):
    write(run.results / "figure2", identity_of_networks(run, figure2.NETWORKS), made_up_figure())
    figure, text, table = figure_2(gather(run)).blocks
    assert isinstance(figure, Figure) and (run.results / "figure2.svg").exists()
    assert "From CeCrO3 to YbCrO3" in text.text
    assert table.rows == [
        ("CeCrO3", "58", "3", "3", "3", "3", "yes"),
        ("NdCrO3", "60", "3", "3", "3", "3", "no"),
        ("HoCrO3", "67", "3", "3", "3", "3", "no"),
    ]


def test_figure_3_is_drawn_with_its_silhouettes(run):
    write(run.results / "figure3", identity_of_networks(run, latent_space.NETWORKS), figure3.embed(clusters(4), seed=0))
    figure, text = figure_3(gather(run)).blocks
    assert "t-SNE of 12 encoded training structures (AB 4, ABX3 4, ABX2 4; paper: 5,000)" in figure.caption
    assert isinstance(text, Text) and (run.results / "figure3.png").exists()


def test_a_result_of_other_networks_is_out_of_date(run):
    write(run.results / "figure2", identity_of_networks(run, figure2.NETWORKS), made_up_figure())
    other = replace(run, preset=replace(run.preset, vae=replace(run.preset.vae, beta=0.1)))
    (block,) = figure_2(gather(other)).blocks
    assert "run make figure2 again" in block.text
    assert not (run.results / "figure2.svg").exists()


def test_table_5_says_whether_the_papers_ordering_holds(run):
    table5.render(table5.compute(as_printed(seeds=2), "laptop", "made up"), run.results / "table5")
    table, *sentences, note = table_5(gather(run)).blocks
    assert isinstance(table, Table) and [row[0] for row in table.rows] == ["no DFC, σ = 1", "DFC, σ = 1", "DFC, σ = r"]
    assert len(sentences) == 4 and all("the paper's ordering holds" in sentence.text for sentence in sentences)
    assert "the table is followed" in note.text
    assert table.caption.endswith("preset laptop on made up")


def test_a_run_of_the_published_networks_shows_the_published_table_5(run):
    table5.render(table5.compute(as_printed(), "laptop", "made up"), run.results.parent / "published" / "table5")
    assert "Not run yet" in table_5(gather(run)).blocks[0].text
    theirs = replace(run.preset.generate, networks="published")
    table, *_ = table_5(gather(replace(run, preset=replace(run.preset, generate=theirs)))).blocks
    assert len(table.rows) == 3 and table.caption.endswith("preset laptop on made up")
