"""What makes a finished stage stale: whatever its result depends on, in the run or beside it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from data_prep.errors import InputError
from data_prep.files import checksum
from data_prep.files.atomic import write_json, write_text
from experiments.shared_stages import link_finished
from experiments.stored import identity_of_networks
from repro import stamps
from repro.presets import IMPROVED, LAPTOP
from repro.run import Run
from repro.stages import STAGES, Stage, identity_of, run_stage
from tests.support.made_up_run import finished_stages

RELEASED = ("vae_weights_mixed.best.hdf5", "cgcnn_weights.bulk_modulus.best.hdf5", "atom_init.json")


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """Return a function that finishes every stage of a run of a preset; networks and released files are made up."""
    monkeypatch.chdir(tmp_path)
    write_json(Path("cgcnn/manifest.json"), {"sha256": {}})
    for name in RELEASED:
        write_text(Path("shared") / name, f"the numbers of {name}")
    monkeypatch.setattr("repro.stages.PROPERTY_NETWORKS", Path("cgcnn"))

    def finish(preset) -> Run:
        run = Run(preset, "embedded", "test", Path("shared"))
        finished_stages(run)
        return run

    return finish


def stale(run: Run) -> dict[str, str]:
    """Return the sentence of each stage of a run that is stale itself, not for an earlier one."""
    found = {}
    for name in STAGES:
        try:
            identity_of(name, run)
        except InputError as error:
            if str(error).startswith(f"{run.folder(name)} was made with"):
                found[name] = str(error)
    return found


def test_a_run_that_nothing_changed_is_up_to_date(finished, capsys):
    run = finished(LAPTOP)
    assert stale(run) == {}
    run_stage("generate", run)
    assert "generate: up to date in runs/test/generate" in capsys.readouterr().out


def train(run: Run, stage: str, weights: str) -> None:
    """Make a training's stage again, in place of its own function."""

    def make(run: Run) -> dict:
        write_text(run.folder(stage) / "best.weights.h5", weights)
        return {}

    run_stage(stage, run, again=True, make=make)


@pytest.mark.parametrize(("stage", "reader"), [("train-unet", "train-vae"), ("train-vae", "generator")])
def test_other_networks_of_the_same_settings_make_later_stages_stale(finished, stage, reader):
    run = finished(LAPTOP)
    run = replace(run, preset=replace(LAPTOP, vae=replace(LAPTOP.vae, alpha=0.5)))
    finished_stages(run)
    train(run, stage, "the first")
    assert f"was made with an earlier result of {stage}" in stale(run)[reader]
    networks = identity_of_networks(run, [stage])
    made = identity_of(stage, run)
    train(run, stage, "the first")
    assert identity_of(stage, run) == made
    train(run, stage, "another")
    assert identity_of(stage, run) != made and identity_of_networks(run, [stage]) != networks


def test_a_training_that_was_killed_does_not_go_on_with_another_unet(finished):
    run = finished(replace(LAPTOP, vae=replace(LAPTOP.vae, alpha=0.5)))
    train(run, "train-unet", "the first")
    folder = run.folder("train-vae")
    for name in ("done.json", "started.json"):
        (folder / name).unlink(missing_ok=True)
    inputs = {name: identity_of(name, run) for name in ("voxelize", "train-unet")}
    stamps.begin(folder, STAGES["train-vae"].config(run), inputs)
    train(run, "train-unet", "another")
    with pytest.raises(InputError, match="train-vae was made with an earlier result of train-unet"):
        run_stage("train-vae", run)


def test_a_training_made_again_begins_anew_and_a_killed_one_too(finished, monkeypatch):
    run, found = finished(LAPTOP), []
    folder = run.folder("train-unet")

    def begun(stage, run):
        found.append({path.name for path in folder.iterdir()} - {".lock"})
        return {}

    monkeypatch.setattr(Stage, "run", begun)
    for _ in ("finished", "killed"):
        for name in ("state.json", "epoch-0004.weights.h5", "best.weights.h5", "tensorboard/events"):
            write_text(folder / name, "of a training")
        run_stage("train-unet", run, again=True)
        (folder / "done.json").unlink()
    assert found == [{"started.json"}, {"started.json"}]
    write_text(folder / "state.json", "of a training")
    run_stage("train-unet", run)
    assert found[-1] == {"started.json", "state.json"}  # a killed one goes on otherwise


def test_a_training_made_again_leaves_the_run_alone_that_its_folder_was_shared_with(finished):
    donor = finished(LAPTOP)
    write_text(donor.folder("train-unet") / "best.weights.h5", "the donor's")
    run = replace(donor, name="other")
    finished_stages(run)
    shutil.rmtree(run.folder("train-unet"))
    assert link_finished("train-unet", run, [donor])
    kept = stamps.read(donor.folder("train-unet"))
    train(run, "train-unet", "its own")
    assert not run.folder("train-unet").is_symlink() and stamps.read(run.folder("train-unet"))["made"]
    assert (donor.folder("train-unet") / "best.weights.h5").read_text() == "the donor's"
    assert stamps.read(donor.folder("train-unet")) == kept


def test_replaced_property_networks_make_a_generation_stale_that_ranks_by_them(finished):
    run = finished(IMPROVED)
    write_json(Path("cgcnn/manifest.json"), {"sha256": {"band_gap.weights.h5": "another"}})
    ((name, said),) = stale(run).items()
    assert name == "generate" and "was made with property_networks = " in said
    assert said.endswith("remove that folder to make it anew, or give this run another name with --run NAME.")
    with pytest.raises(InputError, match="runs/test/generate was made with property_networks"):
        run_stage("generate", run)
    Path("cgcnn/manifest.json").unlink()
    assert "instead of 'missing'" in stale(run)["generate"]


def test_replaced_property_networks_do_not_matter_to_a_run_that_ranks_by_its_own(finished):
    run = finished(LAPTOP)
    Path("cgcnn/manifest.json").unlink()
    assert stale(run) == {}


@pytest.mark.parametrize("name", RELEASED)
def test_other_released_files_make_both_evaluations_stale(finished, name):
    run = finished(LAPTOP)
    write_text(Path("shared") / name, "other numbers")
    found = stale(run)
    assert found.keys() == {"evaluate", "evaluate-properties"}
    assert all("was made with released = " in said for said in found.values())
    gone = stale(replace(run, shared=Path("nowhere")))
    assert gone.keys() == found.keys() and all("instead of 'none'" in said for said in gone.values())


def test_an_edited_folder_of_structures_makes_what_reads_it_stale(finished):
    """A changed digit leaves the length of a file as it was, and files may lie in folders below."""
    for name in ("properties.csv", "more/nacl.cif", ".hidden"):
        write_text(Path("mine") / name, f"{name} 5.64")
    run = replace(finished(LAPTOP), source="mine", name="of-folder")
    finished_stages(run)
    write_text(Path("mine/.hidden"), "another")
    assert stale(run) == {}
    for path, text in ((Path("mine/more/nacl.cif"), "more/nacl.cif 5.65"), (Path("mine/more/kcl.cif"), "new")):
        write_text(path, text)
        assert {name: "was made with content = " in said for name, said in stale(run).items()} == {
            "data": True,
            "graphs": True,
        }
        finished_stages(run)
    Path("mine/more/kcl.cif").rename("mine/kcl.cif")
    assert stale(run).keys() == {"data", "graphs"}


def test_all_stages_of_one_command_read_a_folder_of_structures_once(finished, monkeypatch):
    read = []

    def counted(path: Path) -> str:
        read.append(path.name)
        return of_file(path)

    of_file = checksum.file_sha256
    monkeypatch.setattr(checksum, "file_sha256", counted)
    for name in ("nacl.cif", "kcl.cif"):
        write_text(Path("mine") / name, f"{name} 5.64")
    run = replace(finished(LAPTOP), source="mine", name="of-folder")
    finished_stages(run)
    assert stale(run) == {} and sorted(read) == ["kcl.cif", "nacl.cif"]
    write_text(Path("mine/nacl.cif"), "nacl.cif 5.65")
    assert stale(run).keys() == {"data", "graphs"} and read[2:] == ["nacl.cif"]


def test_files_beside_the_released_ones_do_not_matter(finished):
    run = finished(LAPTOP)
    write_text(Path("shared/notes.txt"), "mine")
    assert stale(run) == {}


@pytest.mark.parametrize(
    ("change", "stage", "said"),
    [
        ({"vae": replace(LAPTOP.vae, conditions=5)}, "data", "conditions = 10 instead of 5"),
        ({"data": replace(LAPTOP.data, split_by="id")}, "data", "split_by = 'formula' instead of 'id'"),
        ({"voxels": replace(LAPTOP.voxels, grid=16)}, "voxelize", "grid = 32 instead of 16"),
        ({"unet_training": replace(LAPTOP.unet_training, crop=8)}, "train-unet", "crop = 16 instead of 8"),
        ({"vae_training": replace(LAPTOP.vae_training, warmup_steps=1)}, "train-vae", "warmup_steps = 20 instead of 1"),
        ({"generate": replace(LAPTOP.generate, way="vote")}, "generator", "way = 'fit' instead of 'vote'"),
        ({"cgcnn": replace(LAPTOP.cgcnn, radius=6.0)}, "graphs", "radius = 8.0 instead of 6.0"),
        ({"cgcnn_training": replace(LAPTOP.cgcnn_training, members=1)}, "train-cgcnn", "members = 5 instead of 1"),
        ({"evaluate": replace(LAPTOP.evaluate, limit=1)}, "evaluate", "limit = 150 instead of 1"),
        ({"seed": 1}, "data", "seed = 0 instead of 1"),
    ],
)  # fmt: skip
def test_a_changed_preset_makes_the_first_stage_that_reads_it_stale_and_all_after_it(finished, change, stage, said):
    run = finished(LAPTOP)
    changed = replace(run, preset=replace(LAPTOP, **change))
    found = stale(changed)
    assert next(iter(found)) == stage and said in found[stage]
    after = [name for name in STAGES if stage in (name, *earlier(name, run))]
    for name in after:
        with pytest.raises(InputError, match="was made with"):
            identity_of(name, changed)


def earlier(name: str, run: Run) -> set[str]:
    """Return every stage that ``name`` depends on."""
    needs = STAGES[name].reads(run)
    return {*needs}.union(*(earlier(need, run) for need in needs))


@pytest.mark.parametrize(
    ("stage", "key"), [("data", "conditions"), ("evaluate", "released"), ("evaluate-properties", "released")]
)
def test_a_folder_of_an_earlier_version_is_refused_in_one_sentence(finished, stage, key):
    """Its stamp does not know what the result depends on today."""
    run = finished(LAPTOP)
    stamp = json.loads((run.folder(stage) / "done.json").read_text())
    del stamp["config"][key]
    for name in ("done.json", "started.json"):
        write_json(run.folder(stage) / name, stamp | {"identity": "of an earlier version"})
    with pytest.raises(InputError) as stop:
        run_stage(stage, run)
    assert str(stop.value).startswith(f"runs/test/{stage} was made with {key} = None instead of ")
    assert "remove that folder to make it anew" in str(stop.value) and "\n" not in str(stop.value)


def test_a_run_of_an_earlier_version_lacks_the_stages_that_gather_its_networks(finished):
    run = finished(LAPTOP)
    for stage, reader in (("generator", "evaluate"), ("properties", "evaluate-properties")):
        (run.folder(stage) / "done.json").unlink()
        with pytest.raises(InputError, match=f"run the stage '{stage}' first"):
            run_stage(reader, run)


def test_a_hyperparameter_that_is_new_and_off_leaves_earlier_runs_valid(finished):
    run = finished(LAPTOP)
    path = run.folder("train-vae") / "done.json"
    stamp = json.loads(path.read_text())
    del stamp["config"]["perceptual_samples"]
    write_json(path, stamp | {"identity": "of an earlier version"})
    assert identity_of("train-vae", run) == "of an earlier version"
    on = replace(LAPTOP, vae_training=replace(LAPTOP.vae_training, perceptual_samples=2))
    with pytest.raises(InputError, match="perceptual_samples = None instead of 2"):
        identity_of("train-vae", replace(run, preset=on))
