"""Figure 4: what is drawn is what was measured, and the paper's means stand apart."""

import json
from pathlib import Path

import numpy as np
import pytest

from data_prep.files.atomic import write_json
from experiments import figure4, style
from experiments.paper import TEXT
from repro.evaluation.results import PAPERS_WAY, STRUCTURES, Evaluation, read_structures, route
from tests.support.exit_code import run_experiment as main
from tests.support.made_up_run import measured

RUN = ("--run", "made-up")


@pytest.fixture
def results(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = Path("results/made-up")
    write_json(folder / STRUCTURES, measured())
    return folder


def test_the_errors_are_those_of_the_records(results):
    stored = json.loads((results / STRUCTURES).read_text())
    errors = figure4.compute(Evaluation(structures=stored))
    assert list(errors) == ["ours", "released"]
    lattice = np.array([entry["lattice_error"] for entry in stored["vae"]["ours"]])
    for axis, name in enumerate("abc"):
        np.testing.assert_array_equal(errors["ours"].values[name], lattice[:, axis])
        assert errors["ours"].mean(name) == pytest.approx(lattice[:, axis].mean())
    distances = [entry["emd"] for entry in stored["routes"][route("ours", PAPERS_WAY)] if "reason" not in entry]
    assert errors["ours"].mean("emd") == pytest.approx(np.mean(distances))
    assert len(distances) < errors["ours"].structures == 60  # those that could not be decoded have no distance


def test_the_sites_can_come_from_the_fit():
    entries = Evaluation(structures=measured(("ours",)))
    unet, fit = (figure4.compute(entries, way)["ours"].values["emd"] for way in (PAPERS_WAY, "fit"))
    assert len(fit) == sum("emd" in entry for entry in entries.decoded("ours", "fit"))
    assert not np.array_equal(unet, fit)


def test_rendering_twice_gives_the_same_files(results, tmp_path):
    errors = figure4.compute(read_structures(results))
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        figure4.render(errors, tmp_path / name / "figure4")
    for suffix in (".json", ".svg", ".png"):
        first, second = ((tmp_path / name / f"figure4{suffix}").read_bytes() for name in ("first", "second"))
        assert first == second
        assert len(first) > 1000


def test_our_means_and_the_papers_are_stored_apart(results):
    assert main(["figure4", *RUN]) == 0
    stored = json.loads((results / "figure4.json").read_text())
    assert stored["paper"] == {"mean": {"a": 0.06, "b": 0.06, "c": 0.06, "emd": 0.09}}
    assert TEXT["a_mae"].value == 0.06
    assert set(stored["measured"]) == {"ours", "released"}
    ours = stored["measured"]["ours"]
    assert ours["mean"]["a"] == pytest.approx(np.mean(ours["errors"]["a"]))


def test_a_run_that_decodes_nothing_still_draws_its_lattice(tmp_path):
    entries = measured(("ours",))
    entries["routes"][route("ours", PAPERS_WAY)] = [{"id": "x", "family": "AB", "reason": "no occupied voxels"}]
    errors = figure4.compute(Evaluation(structures=entries))
    figure4.render(errors, tmp_path / "figure4")
    assert json.loads((tmp_path / "figure4.json").read_text())["measured"]["ours"]["mean"]["emd"] is None
    assert (tmp_path / "figure4.png").exists()


def test_without_an_evaluation_it_says_what_to_run(results, capsys):
    (results / STRUCTURES).unlink()
    assert main(["figure4", *RUN]) == 2
    assert "run the stage 'evaluate' first" in capsys.readouterr().err


def test_bytes_that_are_no_text_are_damage(results, capsys):
    (results / STRUCTURES).write_bytes(b'{"vae": "\xff"}')
    assert main(["figure4", *RUN]) == 2
    assert "evaluation_structures.json is damaged" in capsys.readouterr().err


def test_the_three_origins_have_three_colours():
    """Okabe and Ito's palette; the luminances differ too, so that a grey print can be read."""
    colours = [style.OURS, style.RELEASED, style.PAPER]
    luminance = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (_linear(colour) for colour in colours)]
    assert min(abs(a - b) for i, a in enumerate(luminance) for b in luminance[:i]) > 0.05


def _linear(colour: str) -> list[float]:
    return [(int(colour[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5)]
