"""The report: whole, partial and empty runs; numbers where they belong; one HTML file that needs nothing else."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser

import numpy as np
import pytest

from data_prep.errors import InputError
from experiments import slices, table1
from experiments.drawing import cell_edges, with_images
from experiments.paper import FULL
from experiments.reporting.document import Document, Link, Part, Section, Table, duration, number
from experiments.reporting.evaluation_sections import in_one_sitting, paper_beside_us, which_claims_hold
from experiments.reporting.generated_crystals import choose, generated
from experiments.reporting.losses import compute as loss_curves
from experiments.reporting.markup import to_html, to_markdown
from experiments.reporting.material import Published, gather
from experiments.reporting.report import from_run, render
from experiments.reporting.run_facts import warnings
from experiments.stored import read, write
from repro import stamps
from repro.evaluation.results import PAPERS_WAY, route
from repro.generation.generator_folder import write_generator
from repro.presets import SMOKE
from repro.run import Run
from repro.training.dataset import load_dataset
from repro.training.prepare import data, voxelize
from tests.conftest import ROOT
from tests.support import made_up_run
from tests.support.made_up_generator import FACTS, untrained
from tests.support.pipeline import small_source


def report(run):
    """Write the report of a run, as the command does, and return what it holds."""
    document = from_run(run)
    render(document, run.results / "report")
    return document


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run and its report: the run, its HTML and its Markdown."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("project"))
        run = made_up_run.made_up_run()
        made_up_run.finished_stages(run)
        made_up_run.evaluated(run)
        made_up_run.properties(run)
        made_up_run.generated(run)
        made_up_run.slices(run)
        report(run)
        html, markdown = ((run.results / f"report.{suffix}").read_text() for suffix in ("html", "md"))
        yield run, html, markdown


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return made_up_run.made_up_run()


class _Tags(HTMLParser):
    """Collects tags with their attributes, and checks that every tag is closed in order."""

    VOID = {"meta", "img", "br", "link"}

    def __init__(self):
        super().__init__()
        self.found, self.open = [], []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def tags(html: str) -> list[tuple[str, dict]]:
    parser = _Tags()
    parser.feed(html)
    assert parser.open == []
    return parser.found


def row(markdown: str, name: str) -> list[str]:
    """Return the cells of the first Markdown row of that name."""
    line = next(line for line in markdown.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[2:-1]]


@pytest.mark.slow
def test_the_html_is_well_formed_and_needs_no_other_file(whole):
    run, html, _ = whole
    found = tags(html)
    assert not [tag for tag, attributes in found if tag == "iframe" or (tag == "script" and "src" in attributes)]
    assert [attributes["href"] for tag, attributes in found if tag == "link"] == ["data:,"]  # no icon is asked for
    images = [attributes for tag, attributes in found if tag == "img"]
    assert len(images) == 6  # Figures 4 and 5, calibration, losses, slices, crystals
    assert all(image["src"].startswith("data:image/svg+xml;base64,") and image["alt"] for image in images)
    anchors = {attributes["id"] for _, attributes in found if "id" in attributes}
    for target in [attributes["href"] for tag, attributes in found if tag == "a" and "href" in attributes]:
        assert target.startswith("data:chemical/x-cif;base64,") or target.removeprefix("#") in anchors
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style and "@import" not in style


@pytest.mark.slow
def test_every_table_scrolls_in_its_own_box(whole):
    found = [tag if tag != "div" else attributes.get("class") for tag, attributes in tags(whole[1])]
    places = [place for place, tag in enumerate(found) if tag == "table"]
    assert len(places) >= 8
    assert all(found[place - 1] == "scroll" for place in places)


@pytest.mark.slow
def test_the_paper_and_we_stand_in_columns_of_our_own(whole):
    run, _, markdown = whole
    evaluation = gather(run).evaluation
    mse = evaluation.vae("ours")["mse"]
    printed, ours, released = row(markdown, "VAE, MSE")
    assert printed == f"{FULL.mse}"
    assert ours.startswith(number(mse)) and "[" in ours
    assert released.startswith(number(evaluation.vae("released")["mse"]))
    emd = evaluation.sites("ours", PAPERS_WAY)["emd"]
    assert row(markdown, "EMD of the sites (Å)")[:2][0] == "0.090"
    assert row(markdown, "formation energy")[1:4] == ["0.102", "0.250", "0.200–0.300"]  # of Table 1
    assert row(markdown, "EMD of the sites (Å)")[1].startswith(number(emd))
    assert row(markdown, "UNet, non-zero recall (probability above 0.5)") == ["87 %", "55.0 %", "–"]
    assert row(markdown, "UNet, non-zero recall (most probable element)") == ["–", "60.0 %", "–"]
    assert row(markdown, "CGCNN, formation energy MAE (eV/atom)") == ["0.102", "0.250 (guessing the mean: 0.750)", "–"]


@pytest.mark.slow
def test_failures_are_counted_by_reason(whole):
    run, _, markdown = whole
    part = gather(run).evaluation.sites("ours", "fit")
    cells = row(markdown, route("ours", "fit"))
    assert cells[0] == f"{part['decoded']} of 60"
    assert cells[-1] == f"no occupied voxels {60 - part['decoded']}"


@pytest.mark.slow
def test_a_short_training_is_said_before_any_number(whole):
    _, html, markdown = whole
    warning = markdown.split("\n## ")[0]
    assert "Short training, not the paper's" in warning
    assert "the VAE saw 1,200 samples (4 epochs × 60 steps × 5)" in warning
    assert "3,143,520" in warning
    assert html.index("Short training") < html.index("<main>")


def test_a_training_of_the_papers_length_carries_no_warning(empty, monkeypatch):
    long = {name: made_up_run.COUNTS[name] | {"samples": 3_143_000} for name in ("train-unet", "train-vae")}
    monkeypatch.setattr(made_up_run, "COUNTS", made_up_run.COUNTS | long)
    made_up_run.finished_stages(empty)
    assert warnings(gather(empty)) == []


@pytest.mark.slow
def test_the_data_are_counted(whole):
    markdown = whole[2]
    assert row(markdown, "Rejected") == ["20 (no label 15, too many sites 5)"]
    assert row(markdown, "Split") == ["by formula: train 230, validation 10, test 60"]
    assert row(markdown, "train-vae") == ["2026-01-01 00:00", "1 min 15 s", "826,840", "4", "1,200"]


@pytest.mark.slow
def test_what_the_preset_changes_is_listed(whole):
    markdown = whole[2]
    assert row(markdown, "VAE learning rate") == ["0.0001", "0.0001", "0.002"]
    assert row(markdown, "train-unet: filters") == ["32", "4"]


@pytest.mark.slow
def test_candidates_lead_to_their_files(whole):
    run, _, markdown = whole
    best = gather(run).candidates[0]
    assert row(markdown, best["formula"])[-1] == f"[CIF]({best['file']})"
    assert row(markdown, "valid, share of samples") == [
        "75.0 %",
        "100.0 %",
        "89 %",
        "60.0 %",
        "76 %",
    ]  # 3 of 5 at random
    assert "no crystal or no energy, by reason: no occupied voxels 2." in markdown


@pytest.mark.slow
def test_rendering_again_computes_nothing_and_changes_nothing(whole, monkeypatch):
    run, html, markdown = whole
    monkeypatch.setattr(slices, "compute", lambda *_: pytest.fail("the slices were computed again"))
    report(run)
    assert (run.results / "report.html").read_text() == html
    assert (run.results / "report.md").read_text() == markdown


@pytest.mark.slow
def test_every_figure_of_the_markdown_is_there(whole):
    run, _, markdown = whole
    names = re.findall(r"!\[.+?\]\((.+?)\)", markdown)
    assert len(names) == 6
    assert all((run.results / name).stat().st_size > 5000 for name in names)


def test_the_report_needs_no_library_of_networks():
    libraries = ("keras", "tensorflow", "torch")
    program = f"import sys, experiments.reporting.report; print([one for one in {libraries} if one in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_an_empty_run_is_reported_as_such(empty):
    report(empty)
    markdown = (empty.results / "report.md").read_text()
    assert "train-vae has not ended: this report is of an unfinished run." in markdown
    always = 4  # claims, what was run, Table 6, deviations
    assert markdown.count("Not run yet") == markdown.count("\n### ") - always >= 19
    assert "0 hold, 0 do not" in markdown
    tags((empty.results / "report.html").read_text())


def test_a_run_without_generation_or_released_weights(empty):
    made_up_run.finished_stages(empty, ("data", "voxelize", "train-unet", "train-vae", "evaluate"))
    made_up_run.evaluated(empty, models=("ours",))
    material = gather(empty)
    table = paper_beside_us(material).blocks[0]
    assert table.columns[1:] == ("paper", "ours")
    assert table.rows[-1][1:] == ("0.102", "–")  # no CGCNN
    assert "the stage generate has left no result" in generated(material).blocks[0].text


def test_claims_and_comparison_show_the_error_of_the_networks_that_rank(empty):
    """The published networks' where the run ranks its candidates by them, even if it has trained some of its own."""
    made_up_run.finished_stages(empty)
    made_up_run.evaluated(empty, models=("ours",))
    made_up_run.properties(empty)
    own = gather(empty)
    table = table1.compute(own.properties)
    other = [entry | {"mae": 0.0915, "mae_interval": [0.088, 0.095]} for entry in table["rows"]]
    for material, mae in ((own, 0.25), (replace(own, published=Published(table | {"rows": other})), 0.0915)):
        claimed = {cells[0]: cells for cells in which_claims_hold(material).blocks[1].rows}
        assert claimed["formation energy, MAE (eV/atom)"][3].startswith(f"{mae:g}")
        assert paper_beside_us(material).blocks[0].rows[-1][2].startswith(f"{mae:g}")


@pytest.mark.parametrize(("elapsed", "kept"), [(100, True), (300, False)])
def test_the_speed_of_a_generation_that_was_resumed_is_not_told(tmp_path, elapsed, kept):
    """100 s of work in the last sitting: whoever began 300 s before its end was resumed."""
    stamp = {"seconds": 100.0, "finished": "2026-01-01T00:05:00Z", "counts": {"samples": 1000}}
    assert in_one_sitting(tmp_path, stamp) == stamp  # nothing tells when it began
    begun = datetime.fromisoformat(stamp["finished"]).timestamp() - elapsed
    (tmp_path / stamps.STARTED).touch()
    os.utime(tmp_path / stamps.STARTED, (begun, begun))
    assert in_one_sitting(tmp_path, stamp) == (stamp if kept else None)
    assert in_one_sitting(tmp_path, None) is None


def test_an_outdated_result_is_named(empty):
    made_up_run.finished_stages(empty)
    stamps.finish(empty.folder("voxelize"), {"grid": 32}, {}, 0.0, {})
    assert "The result of train-unet was made from an earlier result of voxelize: run train-unet again." in warnings(
        gather(empty)
    )


def test_a_coarse_grid_and_a_limit_are_said(empty):
    small = replace(empty, preset=SMOKE)
    made_up_run.finished_stages(small, ("data", "voxelize"))
    assert any(warning.startswith("The maps have 16³ voxels") for warning in warnings(gather(small)))


def test_a_damaged_result_is_named(empty):
    empty.results.mkdir(parents=True)
    for content in (b'{"vae": ', b'{"vae": "\xff"}'):
        (empty.results / "evaluation.json").write_bytes(content)
        with pytest.raises(InputError, match=r"results/made-up/evaluation.json is damaged"):
            report(empty)
    (empty.results / "evaluation.json").unlink()
    (empty.results / "generate").mkdir()
    (empty.results / "generate/candidates.csv").write_bytes(b"id,formula\n\xff,NaCl\n")
    with pytest.raises(InputError, match=r"candidates.csv is damaged"):
        report(empty)


def test_names_cannot_inject_markup():
    table = Table("<i>", ("<u>", "b"), [("<u>x</u>", Link("<s>", "a&b.cif"))])
    html = to_html(Document("<h1>", "<p>", ["<q>"], (Part("<em>", (Section("<em>", (table,), "<s>"),)),)))
    assert not {"i", "u", "s", "q", "em"} & {tag for tag, _ in tags(html)}
    assert "&lt;u&gt;x&lt;/u&gt;" in html


def test_a_bar_in_a_name_does_not_end_its_cell():
    text = to_markdown(Document("", "", [], (Part("", (Section("", (Table("", ("a", "|ΔN|"), [("|Δa|", "1")]),)),)),)))
    assert "| a | \\|ΔN\\| |\n| --- | ---: |\n| \\|Δa\\| | 1 |" in text


def test_a_row_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        Table("", ("a", "b"), [("1",)])


def test_numbers_are_written_with_three_digits():
    assert [number(value) for value in (0.012345, 82.2, 823.4, 12345.6, 7, 0, None, float("nan"))] == [
        "0.0123", "82.2", "823", "12,346", "7", "0", "–", "–",
    ]  # fmt: skip
    assert [duration(seconds) for seconds in (8.44, 200, 7500)] == ["8.4 s", "3 min 20 s", "2 h 5 min"]


def test_the_loss_curves_pair_training_and_validation():
    history = [{"loss": 2.0, "val_loss": 3.0, "seconds": 1.0}, {"loss": 1.0, "val_loss": 2.5, "seconds": 1.0}]
    assert loss_curves({"train-vae": history}) == {
        "train-vae": {"loss": {"train": [2.0, 1.0], "validation": [3.0, 2.5]}}
    }


def test_a_cell_has_twelve_edges_and_a_corner_eight_images():
    edges = cell_edges()
    assert len(edges) == 12
    assert all(np.linalg.norm(end - start) == 1 for start, end in edges)
    assert len(with_images(np.zeros((1, 3)))) == 8
    assert len(with_images(np.array([[0.5, 0.5, 0.0]]))) == 2
    np.testing.assert_allclose(with_images(np.array([[0.25, 0.5, 0.75]])), [[0.25, 0.5, 0.75]])


def test_the_pictures_show_both_kinds_of_sampling():
    rows = [{"formula": f"A{i}", "base": "NaCl"} for i in range(9)] + [{"formula": "B", "base": ""}]
    rows.insert(1, {"formula": "A0", "base": "NaCl"})
    assert [row["formula"] for row in choose(rows)] == ["A0", "B", "A1", "A2", "A3", "A4"]


@pytest.mark.slow
def test_the_slices_come_from_the_trained_vae(tmp_path, monkeypatch):
    """Held-out crystals of all families, the true slice from the store, the other from the VAE's weights."""
    monkeypatch.chdir(tmp_path)
    run = Run(preset=SMOKE, source=str(small_source(tmp_path)), name="small", shared=tmp_path)
    data(run)
    voxelize(run)
    dataset = load_dataset(run)
    write_generator(run.folder("generator"), SMOKE, untrained(SMOKE, dataset), dataset, FACTS)
    found = slices.compute(run)
    arrays, ids = found.arrays, found.facts["ids"]
    assert arrays["true"].shape == arrays["ours"].shape == (len(ids), 16, 16)
    assert 3 <= len(ids) <= 6
    assert np.isfinite(arrays["ours"]).all() and (arrays["ours"] >= 0).all()
    write(tmp_path / "slices", "the training's identity", found)
    again = read(tmp_path / "slices", "the training's identity")
    np.testing.assert_array_equal(again.arrays["true"], arrays["true"])
    assert again.facts == found.facts and read(tmp_path / "slices", "another's") is None
