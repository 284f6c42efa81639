"""The evaluation: finished batches are kept, and taken over if nothing that they depend on has changed."""

import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from data_prep.box import box_positions
from data_prep.crystal import crystal_from_structure
from models.decoding.atoms import Decoded, Undecodable
from models.decoding.watershed_parameters import WatershedParameters
from repro.evaluation import evaluate as evaluation
from repro.evaluation.evaluate import Records
from repro.evaluation.metrics import VoxelCounts
from repro.evaluation.results import PAPERS_WATERSHED, STRUCTURES, SUMMARY, TRUE_MAP, route
from repro.generation.generator_folder import write_generator
from repro.network_folders import write_manifest
from repro.presets import SMOKE, EvaluateParameters
from repro.run import Run
from repro.stages import PARTS
from repro.training.dataset import load_dataset
from repro.training.prepare import data, voxelize
from tests.support.made_up_generator import FACTS, PLAIN, untrained
from tests.support.pipeline import small_source

PRESET = replace(
    PLAIN,
    data=SMOKE.data,
    evaluate=EvaluateParameters(limit=6, batch_size=3),
    watershed=WatershedParameters(threshold=0.3, weighted_centres=True),
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder in which the evaluation's inputs lie: crystals, maps, a generator that was never trained."""
    folder = tmp_path_factory.mktemp("evaluation")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run = Run(PRESET, str(small_source(folder)), "small", folder / "nowhere")
        data(run)
        voxelize(run)
        dataset = load_dataset(run)
        write_generator(run.folder("generator"), PRESET, untrained(PRESET, dataset), dataset, FACTS)
    return folder, run


@pytest.fixture
def run(prepared, tmp_path, monkeypatch):
    """A copy of the folder for one test, as the working folder."""
    shutil.copytree(prepared[0], tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return prepared[1]


def results(run) -> tuple[str, str]:
    return (run.results / SUMMARY).read_text(), (run.results / STRUCTURES).read_text()


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_and_gives_what_an_uninterrupted_one_gives(run, monkeypatch):
    measure, measured = evaluation.measure, []

    def killed(chunk, *arguments):
        if measured:
            raise KeyboardInterrupt
        measured.append(len(chunk))
        return measure(chunk, *arguments)

    monkeypatch.setattr(evaluation, "measure", killed)
    with pytest.raises(KeyboardInterrupt):
        evaluation.evaluate(run)
    assert measured == [3] and not (run.results / SUMMARY).exists()
    monkeypatch.setattr(evaluation, "measure", lambda *given: measured.append(len(given[0])) or measure(*given))
    assert evaluation.evaluate(run) == {"structures": 6, "models": ["ours"]}
    assert measured == [3, 3]
    resumed = results(run)
    shutil.rmtree(run.folder("evaluate") / PARTS)
    evaluation.evaluate(run)
    assert results(run) == resumed and measured == [3, 3, 3, 3]


@pytest.mark.slow
def test_batches_are_taken_over_if_only_the_sampling_changes_and_damaged_ones_are_not(run, monkeypatch):
    evaluation.evaluate(run)
    before, measured, measure = results(run), [], evaluation.measure
    monkeypatch.setattr(evaluation, "measure", lambda *given: measured.append(len(given[0])) or measure(*given))
    change_manifest(run, generate=asdict(replace(PRESET.generate, spread=0.7)))
    evaluation.evaluate(run)
    assert not measured and results(run) == before
    part = min((run.folder("evaluate") / PARTS).iterdir())
    part.write_text(part.read_text()[:-30])
    evaluation.evaluate(run)
    assert measured == [3] and results(run) == before
    change_manifest(run, watershed=asdict(WatershedParameters()))
    evaluation.evaluate(run)
    assert measured == [3, 3, 3] and results(run) != before


def change_manifest(run, **entries):
    folder = run.folder("generator")
    facts = json.loads((folder / "manifest.json").read_text()) | entries
    write_manifest(folder, list(facts.pop("sha256")), facts)


@pytest.mark.slow
def test_the_papers_watershed_stands_beside_the_presets_own(run):
    evaluation.evaluate(run)
    routes = json.loads((run.results / SUMMARY).read_text())["routes"]
    for name in (route(TRUE_MAP, "vote"), route(TRUE_MAP, PAPERS_WATERSHED)):
        group = routes[name]["all"]
        assert group["count"] == 6 and len(group["exact_fraction_interval"]) == 2


def test_the_sites_of_a_structure_that_cannot_be_decoded_count_by_element():
    structure = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    crystal = crystal_from_structure(structure.get_primitive_structure(), "MgO")
    fractional, lengths = crystal.fractional, crystal.lengths
    right = Decoded(crystal.numbers, box_positions(fractional, lengths), fractional, lengths)
    entries = [evaluation.compare(crystal, outcome) for outcome in (right, Undecodable("no_sites"))]
    stored_before = {"id": "old", "family": "AB", "reason": "no_sites"}
    summary = evaluation.element_summary([*entries, stored_before])
    assert summary["Mg"] == summary["O"] == {"sites": 2, "right": 1, "mistakes": {"none": 1}}


def test_records_come_back_from_plain_data():
    records = Records()
    records.reconstructions["ours"].append({"id": "a", "mse": 0.5})
    records.routes["ours, vote"].append({"id": "a", "exact": True, "numbers": [8, 8]})
    records.voxels += VoxelCounts(np.eye(95, dtype=int), 3, np.eye(95, dtype=int))
    ones = np.eye(95).tolist()
    stored = records.to_json() | {"voxels": {"confusion": ones, "above_half": 3, "masked": ones}}
    again = Records.from_json(json.loads(json.dumps(stored)))
    again.add(records)
    assert [entry["id"] for entry in again.reconstructions["ours"]] == ["a", "a"]
    assert again.voxels.above_half == 6 and again.voxels.confusion.trace() == 190
