"""Headline numbers over seeds: what a seed changes, what is sampled again, and what the tables say of it."""

import json
from dataclasses import replace

import pytest

from data_prep.errors import InputError
from data_prep.property_labels import FORMATION_ENERGY
from experiments import seed_runs, seeds, table5
from experiments.reporting.document import Table
from experiments.reporting.material import gather
from experiments.reporting.stored_sections import over_seeds
from experiments.seed_runs import seed_run
from experiments.seeds import Sampled
from repro import stamps
from repro.generation.generator_folder import load_generator
from repro.generation.sampling import Sampling
from repro.presets import FULL, LAPTOP
from repro.run import PUBLISHED, Run
from repro.stages import STAGES
from repro.training.prepare import data
from tests.experiments.test_table5 import as_printed
from tests.support.exit_code import run_experiment as main
from tests.support.made_up_run import COUNTS, finished_stages
from tests.support.pipeline import small_source


def counts(samples: int, valid: int, new: int, distinct: int, near: int) -> dict:
    return {"samples": samples, "valid": valid, "new_formula": new, "distinct_formulas": distinct, "near_hull": near}


SAMPLED = Sampled(
    "full", "mine.csv", 1234, 10, 4, 3,
    {0: {"random": counts(10, 8, 4, 8, 2), "around a base": counts(12, 0, 0, 0, 0)},
     1: {"random": counts(10, 10, 5, 8, 5), "around a base": counts(12, 12, 6, 3, 12)}},
)  # fmt: skip


def measured(mae: float = 0.1, gap: float = 0.5, **more) -> dict:
    """A ``properties.json`` with two properties."""
    usual = {"unit": "eV/atom", "n_train": 20, "n_test": 4}
    energy = usual | {"property": FORMATION_ENERGY, "mae": mae} | more
    return {"preset": "laptop", "source": "mine.csv", "rows": [energy, usual | {"property": "band_gap", "mae": gap}]}


@pytest.fixture
def base(tmp_path, monkeypatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(LAPTOP, "embedded", "laptop", tmp_path / "shared")


def cells_of(found: dict) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for part in seeds.parts(found) for row in seeds.cells(part)}


def test_shares_of_samples_over_seeds_by_hand():
    found = seeds.compute(SAMPLED, [], {})
    assert set(found) == {"sampling", "note"}
    row = found["sampling"]["rows"][0]
    assert row["values"] == [80, 100] and row["mean"] == 90 and row["spread"] == pytest.approx(20 / 2**0.5)
    cells = cells_of(found)
    assert cells["random: valid, of the samples (%)"] == ("90.0 ± 14.1", "2")
    assert cells["random: formula not in the data, of the valid (%)"] == ("50.0 ± 0.0", "2")
    assert cells["random: distinct formulas, of the valid (%)"] == ("90.0 ± 14.1", "2")
    assert cells["random: predicted within 0.1 eV/atom of the hull, of the valid (%)"] == ("37.5 ± 17.7", "2")
    assert cells["around a base: formula not in the data, of the valid (%)"] == ("50.0", "1")  # none valid in the other
    assert found["sampling"]["caption"] == (
        "Two samplings of one training: generator full, trained on 1,234 structures of mine.csv; "
        "10 random samples and 4 for each of 3 bases and way of sampling with each seed"
    )


def test_errors_of_properties_over_trainings_by_hand():
    found = seeds.compute(None, [measured(each_mae=[0.1, 0.2]), measured(0.3, 0.7)], {})
    cells = cells_of(found)
    assert cells["formation energy, MAE (eV/atom)"] == ("0.2000 ± 0.1000", "3")
    assert cells["band gap, MAE (eV/atom)"] == ("0.6000 ± 0.1414", "2")
    assert found["properties"]["caption"].startswith("Up to three trainings of the property networks on one split")
    single = seeds.compute(None, [measured()], {})
    assert cells_of(single)["formation energy, MAE (eV/atom)"] == ("0.1000", "1")
    assert single["properties"]["caption"].startswith("Up to one training of")


def test_the_evaluation_is_that_of_the_papers_system_in_table_5():
    table = table5.compute(as_printed(seeds=3), "laptop", "made up")
    found = seeds.compute(None, [], table)
    assert cells_of(found)["mean EMD (Å), DFC, σ = r"] == ("0.099 ± 0.009", "3")
    assert found["evaluation"]["caption"].startswith("Three trainings of UNet and VAE, each with a split of its own")


def test_a_further_training_has_other_seeds_and_the_same_split(base):
    first, second = (seed_run(base, number) for number in (1, 2))
    assert (first.name, second.name) == ("laptop-seed_5", "laptop-seed_10")  # formation energy has the seeds 0 to 4
    assert first.preset.seed == base.preset.seed and first.preset.cgcnn_training.members == 1
    assert STAGES["graphs"].config(first) == STAGES["graphs"].config(base)
    differing = {
        name for name, value in STAGES["train-cgcnn"].config(first).items()
        if STAGES["train-cgcnn"].config(base)[name] != value
    }  # fmt: skip
    assert differing == {"members", "further_members", "seed_shift"}


@pytest.fixture
def trained(base, monkeypatch) -> list[tuple[str, str]]:
    """A measured run whose further trainings end at once; the stages that they make, as they are made."""
    done = []

    def instead(self, run):
        stage = next(name for name, one in STAGES.items() if one is self)
        done.append((stage, run.name))
        if stage == "evaluate-properties":
            stamps.write_json(run.results / "properties.json", measured(0.3))
        return COUNTS[stage]

    monkeypatch.setattr("repro.stages.Stage.run", instead)
    finished_stages(base, ("graphs", "train-cgcnn", "properties", "evaluate-properties"))
    stamps.write_json(base.results / "properties.json", measured(each_mae=[0.1, 0.2]))
    return done


@pytest.mark.slow
def test_further_trainings_share_the_graphs_and_are_not_repeated(base, trained):
    assert seed_runs.measure(base, 1) == [measured(each_mae=[0.1, 0.2])] and not trained
    found = seed_runs.measure(base, 2)
    assert found == [measured(each_mae=[0.1, 0.2]), measured(0.3)]
    name = "laptop-seed_5"
    assert trained == [(stage, name) for stage in ("train-cgcnn", "properties", "evaluate-properties")]
    assert str(seed_run(base, 1).folder("graphs").readlink()) == "../laptop/graphs"
    trained.clear()
    assert seed_runs.measure(base, 2) == found and not trained
    (seed_run(base, 1).results / "properties.json").unlink()
    assert seed_runs.measure(base, 2) == found and trained == [("evaluate-properties", name)]


@pytest.mark.slow
def test_graphs_of_an_earlier_version_without_a_setting_are_shared(base, trained):
    stamp = stamps.read(base.folder("graphs"))
    for name in (stamps.DONE, stamps.STARTED):
        config = {key: value for key, value in stamp["config"].items() if key != "any_crystal"}
        stamps.write_json(base.folder("graphs") / name, stamp | {"config": config})
    seed_runs.measure(base, 2)
    assert seed_run(base, 1).folder("graphs").is_symlink()


def test_errors_on_other_crystals_are_not_put_beside_each_other(base, trained):
    other = measured(n_test=5)
    stamps.write_json(base.results / "properties.json", other)
    with pytest.raises(InputError, match="measured on other crystals than the run itself"):
        seed_runs.measure(base, 2)


def test_a_run_without_property_networks_has_none_to_repeat(base):
    assert seed_runs.measure(base, 1) == []
    with pytest.raises(InputError, match="properties.json is not there"):
        seed_runs.measure(base, 2)


@pytest.mark.slow
def test_bases_stay_and_samples_change_with_the_seed_and_a_killed_command_goes_on(base, tmp_path, monkeypatch):
    small_source(tmp_path)
    run = Run(replace(FULL, generate=replace(FULL.generate, networks="run")), "crystals.csv", "full", tmp_path)
    run.folder("data").mkdir(parents=True)
    data(run)

    def few_bases(*folders):
        generator = load_generator(*folders)
        return replace(generator, sampling=replace(generator.sampling, bases_per_family=1))

    monkeypatch.setattr(seeds, "load_generator", few_bases)
    found = seeds.from_run(run, seeds=2, samples=3, around=1)
    part = found["sampling"]
    assert found["missing"] == ["properties", "evaluation"] and part["bases"] == 3
    assert (part["generator"], part["source"]) == ("full", "mp_cubic.csv.gz")  # the one that comes with the project
    for group in part["counts"].values():
        assert [group[name]["samples"] for name in ("random", "around a base", "neighbours of a base")] == [3, 3, 3]
    kept = sorted((run.folder("seeds") / "parts").iterdir())
    candidates = [json.loads(path.read_text()) for path in kept]
    assert sum(map(len, candidates)) == 18
    formulas = {one["id"]: {other["formula"] for part in candidates for other in part if other["id"] == one["id"]}
                for part in candidates for one in part}  # fmt: skip
    assert len(formulas) == 9 and any(len(each) == 2 for each in formulas.values())  # the same bases, other crystals
    kept[0].unlink()
    sampled = []
    candidates_of = Sampling.candidates
    monkeypatch.setattr(Sampling, "candidates", lambda self, task: sampled.append(task[2]) or candidates_of(self, task))
    assert seeds.from_run(run, seeds=2, samples=3, around=1) == found
    assert sum(task is None for task in sampled) == 1


def test_a_run_of_the_published_networks_takes_what_it_lacks_from_what_was_published(base):
    stamps.write_json(PUBLISHED / "seeds.json", seeds.compute(SAMPLED, [measured()], {}))
    table5.render(table5.compute(as_printed(seeds=3), "laptop", "made up"), PUBLISHED / "table5")
    alone = seeds.from_run(base, samples=0, around=0)
    assert alone["missing"] == ["sampling", "properties", "evaluation"]
    page = seeds.text(alone)
    assert "this run has none of its own that were measured" in page and "this run has no Table 5" in page
    theirs = replace(base, preset=FULL)
    found = seeds.from_run(theirs, samples=0, around=0)
    assert found["missing"] == [] and len(seeds.parts(found)) == 3
    table5.render(table5.compute(as_printed(seeds=2), "full", "own"), theirs.results / "table5")
    assert "Two trainings of UNet" in seeds.from_run(theirs, samples=0, around=0)["evaluation"]["caption"]


def test_the_report_shows_the_runs_own_numbers_or_the_published_ones(base):
    assert "Not run yet: make seeds" in over_seeds(gather(base)).blocks[0].text
    found = seeds.compute(SAMPLED, [], {}) | {"missing": ["properties", "evaluation"]}
    files = seeds.render(found, PUBLISHED / "seeds")
    assert [path.name for path in files] == ["seeds.json", "seeds.md"]
    table, *texts = over_seeds(gather(replace(base, preset=FULL))).blocks
    assert isinstance(table, Table) and table.caption.startswith("Two samplings of one training") and len(texts) == 3
    assert "Not run yet" in over_seeds(gather(base)).blocks[0].text
    seeds.render(found, base.results / "seeds")
    assert over_seeds(gather(base)).blocks == (table, *texts)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds", "0"], "--seeds 0 asks for nothing: give 1 or more"),
        (["--samples", "-1"], "--samples -1 asks for nothing: give 0 or more"),
        (["--samples", "0", "--around", "0", "--train", "2"], "run the stage 'evaluate-properties'"),
        (["--generator", "nowhere"], "nowhere"),
        (["--around", "1"], "run the stage 'data' first, or leave these out with --around 0"),
    ],
)
def test_a_mistake_is_one_sentence_and_2(base, capsys, arguments, said):
    assert main(["seeds", "--preset", "smoke", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.parametrize("stage", ["generator", "evaluate-properties"])
def test_what_a_run_has_made_with_earlier_networks_is_refused_before_anything_is_sampled(base, stage, monkeypatch):
    finished_stages(base)
    stamps.write_json(base.folder("generator") / "manifest.json", {})
    stamps.write_json(base.results / "properties.json", measured())
    monkeypatch.setattr(seeds, "_sample", lambda *_: SAMPLED)
    assert seeds.from_run(base)["missing"] == ["evaluation"]
    earlier = {"generator": "train-vae", "evaluate-properties": "properties"}[stage]
    stamp = stamps.read(base.folder(earlier))
    stamps.write_json(base.folder(earlier) / stamps.DONE, stamp | {"identity": "of other networks"})
    with pytest.raises(InputError, match=f"{stage} was made with an earlier result of {earlier}"):
        seeds.from_run(base)
    if stage == "generator":
        assert seeds.from_run(base, generator=base.folder("elsewhere"))["missing"] == ["evaluation"]
        assert seeds.from_run(base, samples=0, around=0)["missing"] == ["sampling", "evaluation"]
    (base.folder(stage) / stamps.DONE).unlink()  # only its result is left
    assert seeds.from_run(base)["missing"] == ["evaluation"]


def test_numbers_of_earlier_results_are_shown_as_out_of_date(base):
    table5.render(table5.compute(as_printed(seeds=3), "laptop", "made up"), base.results / "table5")
    seeds.render(seeds.from_run(base, samples=0, around=0), base.results / "seeds")
    stamps.write_json(base.folder("generator") / "manifest.json", {})  # of which nothing was sampled
    assert isinstance(over_seeds(gather(base)).blocks[0], Table)
    table5.render(table5.compute(as_printed(seeds=2), "laptop", "made up"), base.results / "table5")
    (said,) = over_seeds(gather(base)).blocks
    assert said.text.startswith("Out of date: ") and said.text.endswith("run make seeds again.")
