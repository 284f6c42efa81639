"""Faults survived: processes killed, two at once, disks full or read-only, clocks that go backwards."""

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from data_prep.errors import InputError
from repro import stages
from repro.__main__ import main
from repro.locks import making, reading
from repro.training.fit import fit_epochs
from tests.conftest import ROOT
from tests.support import made_up_generation
from tests.support.exit_code import exit_code, run_experiment
from tests.support.killing import Command, check_whole, finish, kill_alone, outcome
from tests.support.pipeline import experiment, repro, small_source
from tests.training.test_fit import BUDGET, LineFeed, small_model, weights_of

KILLS = {
    "data": 6, "voxelize": 10, "train-unet": 5, "train-vae": 5, "generator": 5, "graphs": 4, "train-cgcnn": 5,
    "properties": 5, "evaluate-properties": 2, "evaluate": 3, "generate": 10,
}  # fmt: skip
STAGES = tuple(KILLS)
RESULTS = {  # what a stage writes beside its own folder
    "evaluate-properties": ("properties.json", "properties_test.npz"),
    "evaluate": ("evaluation.json", "evaluation_structures.json"),
}


def kill_at_random(folder, stage, run, times, seconds, rng, *options) -> int:
    """Kill a stage ``times`` times, at any moment of the ``seconds`` it works; return how often it was at work."""
    hit = 0
    for _ in range(times):
        command = Command(folder, stage, run, *options)
        command.wait_for_work()
        time.sleep(rng.uniform(0, seconds))
        hit += command.process.poll() is None
        command.kill()
        check_whole(folder / "runs" / run)
        (folder / "runs" / run / stage / "done.json").unlink(missing_ok=True)  # it was through: once more
    return hit


@pytest.mark.parametrize("stage", ["data", "voxelize"])
def test_a_killed_stage_ends_as_an_undisturbed_one(tmp_path, monkeypatch, stage):
    monkeypatch.chdir(tmp_path)
    small_source(tmp_path)
    options = ("--source", "crystals.csv")
    for run in ("whole", "killed"):
        for earlier in ("data", "voxelize")[: 1 + (stage == "voxelize" and run == "whole")]:
            if (run, stage) != ("killed", "data"):
                assert exit_code(main, [earlier, "--preset", "smoke", "--run", run, *options]) == 0
    kill_at_random(tmp_path, stage, "killed", 1, 0.2, random.Random(0), *options)
    assert exit_code(main, [stage, "--preset", "smoke", "--run", "killed", *options]) == 0
    whole, killed = (outcome(tmp_path / "runs" / run / stage) for run in ("whole", "killed"))
    assert killed == whole


_POOL = """
import os, time
from data_prep.workers import process_pool
if __name__ == "__main__":
    pool = process_pool(2)
    list(pool.map(os.path.exists, "ab"))
    print(1, flush=True)
    time.sleep(99)
"""


def test_workers_end_with_a_parent_that_was_killed(tmp_path):
    (tmp_path / "parent.py").write_text(_POOL)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "parent.py"], env=environment, stdout=subprocess.PIPE, start_new_session=True
    )
    assert parent.stdout.readline()
    kill_alone(parent)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A folder in which every stage of the smoke preset has run, and the seconds that each took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, {stage: finish(folder, stage, "whole") for stage in STAGES}


def with_stages_before(folder, stage, run) -> None:
    """Give ``run`` the finished stages of the undisturbed run that come before ``stage``."""
    shutil.rmtree(folder / "runs" / run, ignore_errors=True)
    shutil.rmtree(folder / "results" / run, ignore_errors=True)
    for earlier in itertools.takewhile(lambda name: name != stage, STAGES):
        shutil.copytree(folder / "runs/whole" / earlier, folder / "runs" / run / earlier)


def assert_same(folder, stage, run) -> None:
    """Compare a stage's folder, and what it wrote to the results, with those of the undisturbed run."""
    for place in (f"runs/{{}}/{stage}", *(["results/{}/generate"] if stage == "generate" else [])):
        whole, other = (outcome(folder / place.format(name)) for name in ("whole", run))
        assert other.keys() == whole.keys()
        for name, content in whole.items():
            assert other[name] == content, f"{stage}: {name}"
    for name in RESULTS.get(stage, ()):
        whole, other = ((folder / "results" / one / name).read_bytes() for one in ("whole", run))
        assert other.replace(f'"run": "{run}"'.encode(), b'"run": "whole"') == whole, f"{stage}: {name}"


def test_every_stage_is_killed_sixty_times_in_all():
    assert {*STAGES} == stages.STAGES.keys() and sum(KILLS.values()) == 60


@pytest.mark.nightly
@pytest.mark.parametrize("stage", KILLS)
def test_sixty_kills_leave_the_results_of_an_undisturbed_run(undisturbed, stage):
    """kill -9 at any moment of all stages: nothing named is half-written, and the end is the same."""
    folder, seconds = undisturbed
    with_stages_before(folder, stage, "killed")
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    hit = kill_at_random(folder, stage, "killed", KILLS[stage], seconds[stage], random.Random(seed))
    print(f"{stage}: killed {hit} times at work of {KILLS[stage]}")
    finish(folder, stage, "killed")
    assert_same(folder, stage, "killed")
    assert not list((folder / "runs/killed").rglob(".writing-*"))


@pytest.mark.nightly
def test_the_same_seed_gives_the_same_numbers_to_the_last_digit(undisturbed):
    folder, _ = undisturbed
    for stage in STAGES:
        finish(folder, stage, "again")
    for stage in STAGES:
        assert_same(folder, stage, "again")


def _holder(expression: str, folder):
    """Start a process that holds locks, as a stage does, and wait until it does."""
    code = "import time\nfrom pathlib import Path\nfrom repro.locks import making, reading\n"
    code += f"with {expression}:\n print(1, flush=True)\n time.sleep(99)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    return process


@contextmanager
def held(expression: str, folder):
    process = _holder(expression, folder)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_two_at_once_in_one_folder(tmp_path, monkeypatch, capsys):
    """The second refuses, naming the folder and the process; as soon as the first is killed it goes on."""
    monkeypatch.chdir(tmp_path)
    small_source(tmp_path)

    with held("making(Path('runs/test/data'))", tmp_path) as first:
        assert repro("data") == 2
        said = capsys.readouterr().err
        assert f"runs/test/data is in use by process {first.pid}: wait until it has ended" in said
        assert not (tmp_path / "runs/test/data/started.json").exists()
    assert repro("data") == 0
    with held("reading([Path('runs/test/data')])", tmp_path) as first:
        assert repro("data") == 0  # it is done: nothing is written
        assert repro("voxelize") == 0  # it only reads the data
        assert repro("data", "--again") == 2
        assert f"runs/test/data is in use by process {first.pid}" in capsys.readouterr().err
    with held("making(Path('runs/test/data'))", tmp_path) as first:
        assert repro("voxelize") == 2
        assert f"runs/test/data is in use by process {first.pid}" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["report", "publish-report"])
def test_a_report_does_not_read_what_is_being_made(tmp_path, monkeypatch, capsys, command):
    """Only what is finished counts: a stage under way for the first time is in nobody's report."""
    monkeypatch.chdir(tmp_path)
    small_source(tmp_path)
    assert repro("data") == 0 and experiment("report") == 0
    with held("making(Path('runs/test/data'))", tmp_path) as first:
        capsys.readouterr()
        assert experiment(command) == 2
        assert f"runs/test/data is in use by process {first.pid}" in capsys.readouterr().err
    with held("making(Path('runs/test/voxelize'))", tmp_path):
        assert experiment(command) == 0


def test_tables_and_figures_do_not_read_what_is_being_made(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    results, _ = made_up_generation.write(tmp_path)
    (tmp_path / "runs/made-up/generate").mkdir()
    (tmp_path / "runs/made-up/generator").mkdir()
    commands = {
        "data": ["table2", "--run", "made-up"],
        "generate": ["table2", "--run", "made-up"],
        "generator": ["figure3", "--preset", "smoke", "--run", "made-up"],
    }
    for stage, command in commands.items():
        with held(f"making(Path('runs/made-up/{stage}'))", tmp_path) as first:
            assert run_experiment(command) == 2
            assert f"runs/made-up/{stage} is in use by process {first.pid}" in capsys.readouterr().err
    assert run_experiment(commands["data"]) == 0
    assert (results / "table2.json").exists()


def test_readers_share_and_a_folder_that_is_not_there_needs_no_lock(tmp_path):
    with held(f"reading([Path({str(tmp_path)!r})])", ROOT), reading([tmp_path, tmp_path / "nothing"]):
        assert not (tmp_path / "nothing").exists()
        with pytest.raises(InputError, match="is in use by process"), making(tmp_path):
            pass


def test_a_stage_made_anew_takes_nothing_over(tmp_path, monkeypatch):
    """--again: a training that is there would be resumed, finished or of other settings as it may be."""
    monkeypatch.chdir(tmp_path)
    source = small_source(tmp_path)
    assert repro("data", "--again") == 0
    left = tmp_path / "runs/test/data/head/state.json"
    left.parent.mkdir()
    left.write_text("{}")
    assert repro("data", "--again") == 0 and not left.parent.exists()
    left.parent.mkdir()
    left.write_text("{}")
    source.write_text(source.read_text().replace("made-001", "made-xyz"))
    assert repro("data", "--again") == 0 and not left.parent.exists()


@pytest.fixture
def backwards(monkeypatch):
    """A clock that goes back by an hour whenever it is looked at."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "time", lambda: 1.8e9 - 3600.0 * next(ticks))


def test_a_clock_that_goes_backwards_changes_nothing(tmp_path, monkeypatch, backwards):
    monkeypatch.chdir(tmp_path)
    small_source(tmp_path)
    for stage in ("data", "voxelize"):
        assert repro(stage) == 0
        assert 0 <= json.loads((tmp_path / "runs/test" / stage / "done.json").read_text())["seconds"] < 60


@pytest.mark.nightly
def test_a_training_does_not_look_at_the_clock(tmp_path, monkeypatch):
    models = small_model(), small_model()
    fit_epochs(models[0], BUDGET, LineFeed, LineFeed(99), tmp_path / "straight")
    ticks = itertools.count()
    monkeypatch.setattr(time, "time", lambda: 1.8e9 - 3600.0 * next(ticks))
    history = fit_epochs(models[1], BUDGET, LineFeed, LineFeed(99), tmp_path / "backwards")
    np.testing.assert_array_equal(weights_of(models[0]), weights_of(models[1]))
    assert all(losses["seconds"] >= 0 for losses in history)


@pytest.fixture
def open_folder():
    """A folder in which every user may write; pytest's own lie where only theirs may look."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@contextmanager
def without_rights():
    """Let this process write nowhere but where everyone may, as a user on a folder that is not his."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        yield


@pytest.mark.parametrize("place", ["runs", "results"])
def test_a_folder_that_cannot_be_written_is_named(open_folder, monkeypatch, capsys, place):
    monkeypatch.chdir(open_folder)
    small_source(open_folder)
    (open_folder / place).mkdir(mode=0o555)
    with without_rights():
        assert (repro("data") if place == "runs" else experiment("report")) == 2
    said = capsys.readouterr().err
    assert "Permission denied" in said and place in said and "Traceback" not in said
    assert not list((open_folder / place).iterdir())


@contextmanager
def small_disk(path, size: str):
    """Mount a disk in memory; skip where that is not allowed."""
    path.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a disk of its own cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


FULL = {
    "data": ("4k", "12k"),
    "voxelize": ("100k", "500k"),
    "train-unet": ("1m", "3m", "4m"),
    "generate": ("16k", "60k"),
}


@pytest.mark.nightly
@pytest.mark.parametrize(("stage", "size"), [(stage, size) for stage, sizes in FULL.items() for size in sizes])
def test_a_full_disk_is_said_and_the_same_command_goes_on_when_there_is_room(undisturbed, stage, size):
    folder, _ = undisturbed
    with_stages_before(folder, stage, "full")
    place = folder / ("results/full" if stage == "generate" else f"runs/full/{stage}")
    with small_disk(place, size):
        code, errors = Command(folder, stage, "full").end()
        assert code == 2 and "No space left on device" in errors and "Traceback" not in errors, errors
        assert not list(place.rglob(".writing-*"))
        check_whole(place)
        subprocess.run(["mount", "-o", "remount,size=200m", str(place)], check=True)
        finish(folder, stage, "full")
        assert_same(folder, stage, "full")


@pytest.mark.nightly
def test_results_that_cannot_be_written_are_said_and_made_later(undisturbed):
    folder, _ = undisturbed
    with_stages_before(folder, "generate", "readonly")
    with small_disk(folder / "results/readonly", "10m"):
        subprocess.run(["mount", "-o", "remount,ro", str(folder / "results/readonly")], check=True)
        code, errors = Command(folder, "generate", "readonly").end()
        assert code == 2 and "Read-only file system" in errors and "Traceback" not in errors, errors
        subprocess.run(["mount", "-o", "remount,rw", str(folder / "results/readonly")], check=True)
        finish(folder, "generate", "readonly")
        assert_same(folder, "generate", "readonly")
