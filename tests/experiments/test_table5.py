"""Table 5: overrides on any preset, stages shared where they are equal, statements on made-up results."""

import csv
import json
from dataclasses import replace

import pytest

from data_prep.errors import InputError
from experiments import ablation_runs, table5
from experiments.ablation_runs import ABLATIONS, ablation_run
from experiments.paper import TABLE5
from repro import stamps
from repro.evaluation.results import PAPERS_WAY, route
from repro.presets import IMPROVED, LAPTOP, PAPER, PRESETS
from repro.run import Run
from repro.stages import STAGES, identity_of
from tests.support.exit_code import run_experiment as main
from tests.support.made_up_run import COUNTS, finished_stages

NAMES = ("no_dfc-sigma_1", "dfc-sigma_1", "dfc-sigma_r")
PAPERS = {name: {"mse": row.mse, "recall": row.recall, "emd": row.emd, "delta_n": row.delta_n}
          for name, row in zip(NAMES, TABLE5, strict=True)}  # fmt: skip


def evaluation(mse, recall, emd, delta_n, decoded=9) -> dict:
    """An ``evaluation.json`` with what Table 5 reads; recall in %, the release's half of it."""
    sites = {"count": 10, "decoded": decoded} | ({"emd": emd, "delta_n": delta_n} if decoded else {})
    fitted = {"count": 10, "decoded": 10, "emd": 9.0}
    return {
        "vae": {"ours": {"all": {"mse": mse}}},
        "unet": {"nonzero_recall_argmax": recall / 100, "nonzero_recall": recall / 200},
        "routes": {route("ours", PAPERS_WAY): {"all": sites}, route("ours", "fit"): {"all": fitted}},
    }


def as_printed(seeds=1, **changed) -> dict:
    """Measurements that are the paper's own, one seed after the other 10 % worse."""
    numbers = {name: (PAPERS[name] | changed.get(name, {})).values() for name in NAMES}
    worse = {seed: 1 + 0.1 * seed for seed in range(seeds)}
    return {
        name: {seed: evaluation(*(factor * value for value in numbers[name])) for seed, factor in worse.items()}
        for name in NAMES
    }


@pytest.fixture
def base(tmp_path, monkeypatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(LAPTOP, "embedded", "laptop", tmp_path / "shared")


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_overrides_change_the_perceptual_term_and_the_radii_and_nothing_else(preset):
    assert tuple(ABLATIONS) == NAMES
    changed = {name: ablation.override(preset) for name, ablation in ABLATIONS.items()}
    assert [(p.vae.alpha, p.voxels.radii) for p in changed.values()] == [(0.0, "unit"), (1.0, "unit"), (1.0, "ionic")]
    for other in changed.values():
        back = replace(
            other,
            vae=replace(other.vae, alpha=preset.vae.alpha),
            voxels=replace(other.voxels, radii=preset.voxels.radii),
        )
        assert back == preset


def test_the_last_ablation_is_the_paper_itself():
    assert ABLATIONS["dfc-sigma_r"].override(PAPER) == PAPER
    assert ABLATIONS["dfc-sigma_r"].override(IMPROVED) != IMPROVED  # which has no perceptual term


def test_each_ablation_and_seed_is_a_run_of_its_own(base):
    runs = ablation_runs.ablation_runs(replace(base, preset=replace(LAPTOP, seed=5)), 2)
    assert len(runs) == len({run.name for _, _, run in runs}) == 6
    name, seed, run = runs[0]
    assert (name, seed, run.name) == ("no_dfc-sigma_1", 5, "laptop-table5-no_dfc-sigma_1-seed_5")
    assert run.preset.seed == 5 and runs[-1][2].preset.seed == 6
    assert run.released_vae is None and run.source == "embedded"


def stages_of(run: Run) -> dict[str, str]:
    return {
        stage: str(run.folder(stage).readlink()) for stage in ablation_runs.SHARED if run.folder(stage).is_symlink()
    }


def made(monkeypatch) -> list[tuple[str, str]]:
    """Let every stage end at once, with a stamp and no work; return what is made as it is made."""
    done = []

    def instead(self, run):
        stage = next(name for name, one in STAGES.items() if one is self)
        done.append((stage, run.name))
        if stage == "evaluate":
            stamps.write_json(run.results / "evaluation.json", as_printed()[run.name.split("table5-")[1][:-7]][0])
        return COUNTS[stage]

    monkeypatch.setattr("repro.stages.Stage.run", instead)
    return done


@pytest.mark.slow
def test_what_is_equal_is_made_once_and_shared(base, monkeypatch):
    done = made(monkeypatch)
    measured = ablation_runs.measure(base, 1)
    first, second, third = (ablation_run(base, name, 0) for name in NAMES)
    assert [stage for stage, name in done if name == first.name] == list(ablation_runs.WAY)
    assert [stage for stage, name in done if name == second.name] == ["train-vae", "generator", "evaluate"]
    assert [stage for stage, name in done if name == third.name] == [*ablation_runs.SHARED[1:], "evaluate"]
    shared = {stage: f"../{first.name}/{stage}" for stage in ("data", "voxelize", "train-unet")}
    assert stages_of(first) == {} and stages_of(second) == shared and stages_of(third) == {"data": shared["data"]}
    for run in (first, second, third):  # the stamps hold through the links
        assert identity_of("evaluate", run)
    assert measured["dfc-sigma_1"][0]["vae"]["ours"]["all"]["mse"] == 0.013


@pytest.mark.slow
def test_seeds_share_nothing_with_each_other(base, monkeypatch):
    done = made(monkeypatch)
    ablation_runs.measure(base, 2)
    assert len(done) == 2 * (6 + 3 + 5)
    assert all("seed_0" not in target for target in stages_of(ablation_run(base, NAMES[1], 1)).values())


@pytest.mark.slow
def test_finished_stages_are_not_repeated(base, monkeypatch):
    done = made(monkeypatch)
    before = ablation_runs.measure(base, 1)
    done.clear()
    assert ablation_runs.measure(base, 1) == before
    assert {stage for stage, _ in done} <= {"voxelize"}  # which checks its shards, where it is not a link


@pytest.mark.slow
def test_the_run_itself_lends_what_it_has(base, monkeypatch):
    done = made(monkeypatch)
    finished_stages(base, ablation_runs.SHARED)
    ablation_runs.measure(base, 1)
    third = ablation_run(base, NAMES[2], 0)
    assert stages_of(third) == {stage: f"../laptop/{stage}" for stage in ablation_runs.SHARED}
    assert [stage for stage, name in done if name == third.name] == ["evaluate"]
    assert stages_of(ablation_run(base, NAMES[0], 0)) == {"data": "../laptop/data"}


@pytest.mark.slow
def test_a_link_to_what_is_gone_or_made_anew_is_replaced(base, monkeypatch):
    done = made(monkeypatch)
    finished_stages(base, ("data", "voxelize"))
    ablation_runs.measure(base, 1)
    third = ablation_run(base, NAMES[2], 0)
    assert stages_of(third)["voxelize"] == "../laptop/voxelize"
    for stage in ("data", "voxelize"):
        for file in base.folder(stage).iterdir():
            file.unlink()
        base.folder(stage).rmdir()
    done.clear()
    ablation_runs.measure(base, 1)
    assert ("voxelize", third.name) in done and "voxelize" not in stages_of(third)
    assert stages_of(third)["data"].startswith("../laptop-table5-")


def test_work_of_another_configuration_is_refused(base, monkeypatch):
    made(monkeypatch)
    run = ablation_run(base, NAMES[0], 0)
    other = replace(run, preset=replace(run.preset, vae=replace(run.preset.vae, beta=0.1)))
    finished_stages(other, ("data", "voxelize", "train-unet", "train-vae"))
    with pytest.raises(InputError, match="beta = 0.1 instead of 0.0005"):
        ablation_runs.measure(base, 1)


@pytest.mark.slow
def test_removed_results_are_measured_again(base, monkeypatch):
    done = made(monkeypatch)
    ablation_runs.measure(base, 1)
    done.clear()
    run = ablation_run(base, NAMES[1], 0)
    (run.results / "evaluation.json").unlink()
    ablation_runs.measure(base, 1)
    assert ("evaluate", run.name) in done and len([stage for stage, _ in done if stage == "evaluate"]) == 1


def test_a_single_seed_shows_the_interval_over_its_structures():
    measured = as_printed()
    measured[NAMES[0]][0]["vae"]["ours"]["all"]["mse_interval"] = [0.011, 0.0131]
    table = table5.compute(measured, "laptop", "made up")
    assert table5.cells(table)[0][4] == "0.0120 [0.0110, 0.0131]"
    assert table5.cells(table)[1][4] == "0.0130"  # none was measured


def test_the_numbers_are_means_over_seeds_with_their_deviation():
    table = table5.compute(as_printed(seeds=2), "laptop", "made up")
    assert [row["ablation"] for row in table["rows"]] == list(NAMES)
    full = table["rows"][2]
    assert full["seeds"] == [0, 1] and full["decoded"] == [9, 9] and full["structures"] == [10, 10]
    assert full["emd"]["values"] == pytest.approx([0.09, 0.099])
    assert full["emd"]["mean"] == pytest.approx(0.0945)
    assert full["emd"]["spread"] == pytest.approx(0.009 / 2**0.5)
    assert full["recall"]["mean"] == pytest.approx(87 * 1.05)
    assert full["recall_half"]["mean"] == pytest.approx(43.5 * 1.05)
    assert full["paper"]["emd"] == 0.09 and full["paper"]["system"] == TABLE5[2].system
    assert table5.compute(as_printed(), "laptop", "made up")["rows"][0]["mse"] == {
        "mean": 0.012,
        "spread": None,
        "interval": None,
        "values": [0.012],
    }
    assert table["paper_text"] == {"mse_without_dfc": 0.05, "emd_without_dfc": 0.198, "emd_with_dfc": 0.15}


def test_the_papers_own_numbers_are_in_its_order():
    table = table5.compute(as_printed(seeds=3), "laptop", "made up")
    assert {metric: found["holds"] for metric, found in table["orderings"].items()} == dict.fromkeys(
        table5.METRICS, True
    )
    counts = {metric: len(found["pairs"]) for metric, found in table["orderings"].items()}
    assert counts == {"mse": 2, "recall": 2, "emd": 3, "delta_n": 3}  # equal printed numbers make no claim
    assert all(pair["seeds_holding"] == pair["seeds"] == 3 for f in table["orderings"].values() for pair in f["pairs"])


def test_a_broken_order_is_said_with_where_it_breaks():
    table = table5.compute(as_printed(seeds=2, **{"dfc-sigma_1": {"emd": 0.2}}), "laptop", "made up")
    assert table["orderings"]["emd"]["holds"] is False
    assert table["orderings"]["delta_n"]["holds"] is True
    sentence = next(text for text in table5.statements(table) if text.startswith("mean EMD"))
    assert "the paper's ordering does not hold" in sentence
    assert "DFC, σ = 1 < no DFC, σ = 1: no (0 of 2 seeds)" in sentence
    assert "DFC, σ = r < DFC, σ = 1: yes (2 of 2 seeds)" in sentence


def test_seeds_that_disagree_are_counted():
    measured = as_printed(seeds=2)
    measured["no_dfc-sigma_1"][1] = evaluation(0.012, 55, 0.05, 1.0)
    found = table5.compute(measured, "laptop", "made up")["orderings"]["emd"]
    first = next(pair for pair in found["pairs"] if pair["larger"].startswith("no DFC") and "σ = 1" in pair["smaller"])
    assert (first["holds"], first["seeds_holding"], first["seeds"]) == (False, 1, 2)


def test_where_nothing_could_be_decoded_the_order_is_not_told(tmp_path):
    measured = as_printed()
    measured["dfc-sigma_1"][0] = evaluation(0.013, 55, None, None, decoded=0)
    table = table5.compute(measured, "laptop", "made up")
    assert table["orderings"]["emd"]["holds"] is None
    assert table["orderings"]["mse"]["holds"] is True
    table5.render(table, tmp_path / "table5")
    text = (tmp_path / "table5.md").read_text()
    assert "mean EMD (Å): the paper's ordering is not known: nothing could be decoded" in text
    assert "| DFC, σ = 1 | 1 | 0 of 10 | 0.013 | 0.0130 | 55 | 55.0 / 27.5 | 0.112 | – | 0.25 | – |" in text


def test_json_csv_and_markdown_agree(tmp_path):
    table = table5.compute(as_printed(seeds=2), "laptop", "made up")
    table5.render(table, tmp_path / "table5")
    assert json.loads((tmp_path / "table5.json").read_text()) == json.loads(json.dumps(table))
    with open(tmp_path / "table5.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["ablation"], row["seed"]) for row in rows] == [(name, seed) for name in NAMES for seed in "01"]
    assert float(rows[5]["emd"]) == table["rows"][2]["emd"]["values"][1]
    assert {row["paper_recall"] for row in rows} == {"55", "87"}
    text = (tmp_path / "table5.md").read_text()
    assert f"| 0.09 | {table['rows'][2]['emd']['mean']:.3f} ± 0.006 |" in text
    assert "an MSE of 0.05 without DFC, an EMD of 0.198 Å without and 0.15 Å with it" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--seeds", "0"], "--seeds 0 trains nothing"), (["--source", "nowhere.csv"], "'nowhere.csv' does not exist")],
)
def test_a_mistake_is_one_sentence_and_2(base, capsys, arguments, said):
    assert main(["table5", "--preset", "smoke", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_control_c_leaves_with_2_and_says_how_to_go_on(base, monkeypatch, capsys):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(table5, "measure", stopped)
    assert main(["table5", "--preset", "smoke"]) == 2
    assert "the same command goes on" in capsys.readouterr().err


def test_a_published_table_lies_in_both_folders(base, monkeypatch, capsys):
    monkeypatch.setattr(table5, "measure", lambda run, seeds: as_printed(seeds))
    assert main(["table5", "--preset", "smoke", "--seeds", "2", "--publish"]) == 0
    files = [base.results.parent / name / "table5.json" for name in ("smoke", "published")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert json.loads(files[0].read_text())["rows"][0]["seeds"] == [0, 1]
    assert "| no DFC, σ = 1 | 2 |" in capsys.readouterr().out
