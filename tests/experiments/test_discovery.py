"""Stable, unique and new samples, counted by hand from rows as ``score`` returns them."""

import pytest

from experiments import discovery
from experiments.reporting.document import Document, Part
from experiments.reporting.markup import to_markdown
from experiments.reporting.material import gather
from experiments.reporting.stored_sections import stable_and_new
from repro.relaxation.calculation_store import CONVERGED
from repro.scoring.score_rows import RELAXED_ABOVE
from tests.support import made_up_generation, made_up_run
from tests.support.exit_code import run_experiment as main


def row(failed_at: str = "", above: float | None = None, volume: float | None = None, ended: str = CONVERGED) -> dict:
    return {"failed_at": failed_at, "relaxation": ended, RELAXED_ABOVE: above, "volume_percent": volume}


OTHER = ("samples", "volume_percent", "edge_percent")  # of a group: no shares
ROWS = [
    row(above=0.05, volume=-3.0), row(above=0.3, volume=6.0), row(ended="time limit: not converged"),
    row("metastable", above=0.09, volume=2.0), row("new", above=0.0, volume=1.0), row("valid", ended=""),
]  # fmt: skip


def test_the_counts_are_of_all_samples_and_what_did_not_converge_is_not_stable():
    group = discovery.group(8, ROWS)  # two could not be decoded
    counts = {name: (part["count"], part["of"]) for name, part in group.items() if name not in OTHER}
    assert counts == {
        "valid": (5, 8), "valid_unique_new": (4, 8), "stable_predicted": (3, 8), "stable_relaxed": (2, 8),
        "confirmed": (1, 3), "converged": (4, 5),
    }  # fmt: skip
    assert group["volume_percent"]["median"] == 2.5 and group["volume_percent"]["mean"] == 3.0


def test_nothing_judged_is_nothing_stable():
    group = discovery.group(3, [])
    assert group["stable_relaxed"]["share"] == 0 and group["confirmed"]["share"] is None
    assert group["volume_percent"]["median"] is None
    found = {"groups": {"random": group}, "method": "CHGNet", "note": ""}
    assert discovery.facts(found)[-1] == ("cell edge, median change on relaxation (%)", "–")


def test_the_edge_changes_by_a_third_of_the_volume():
    assert discovery.edge_percent(100 * (1.02**3 - 1)) == pytest.approx(2)
    shrunk = discovery.group(1, [row(above=0.0, volume=-20.0)])
    assert shrunk["edge_percent"]["median"] == pytest.approx(7.17, abs=0.01)  # a fifth less, not a fifth more


def test_samples_are_chosen_evenly_and_only_cifs_are_judged(tmp_path):
    judged = {}

    def judge(files, name):
        judged[name] = [path.stem for path in files]
        return [row(above=0.0, volume=0.0) for _ in files]

    generation = made_up_generation.generation(tmp_path)
    groups = discovery.compute(generation, judge, 7)["groups"]
    assert list(groups) == ["around", "random"] and groups["around"]["samples"] == 7
    assert len(judged["around"]) == 6  # the fourth of 20, and no other of these, could not be decoded
    assert groups["random"]["samples"] == 6 and groups["random"]["valid"]["count"] == len(judged["random"]) == 4


def test_the_report_shows_what_is_stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made_up_generation.write(tmp_path)

    def compute(generation):
        judged = discovery.compute(generation, lambda files, name: [row(above=0.0, volume=0.0) for _ in files], 7)
        return judged | {"method": "CHGNet"}

    found = discovery.of_generation("discovery", made_up_run.made_up_run(), compute)
    assert found["groups"]["random"]["stable_relaxed"]["count"] == 4
    assert main(["discovery", *made_up_generation.RUN, "--redraw"]) == 0
    section = stable_and_new(gather(made_up_run.made_up_run()))
    text = to_markdown(Document("", "", (), (Part("", (section,)),)), tmp_path)
    assert "stable as CHGNet relaxes them" in text and "4 of 6" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--count", "0"], "--count 0: give a number of samples above 0.\n"),
        (["--dft"], "--dft is not for this command: how far pw.x lies from the hull's energies is not known.\n"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_loaded(options, said, capsys):
    assert main(["discovery", *options]) == 2
    assert capsys.readouterr().err == said
