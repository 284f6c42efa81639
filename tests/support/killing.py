"""Stages of the real command line in processes that can be killed, and what they must leave behind."""

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py

from tests.conftest import ROOT

GONE_WITHIN = 20  # seconds for workers to follow the process that was killed
TIMES = ("seconds", "finished")  # what may differ between two runs


class Command:
    """``python -m repro STAGE`` at the smoke preset, in ``folder`` and in a process group of its own."""

    def __init__(self, folder: Path, stage: str, run: str, *options: str):
        command = [sys.executable, "-m", "repro", stage, "--preset", "smoke", "--run", run, "--shared", "nowhere"]
        self.process = subprocess.Popen(
            [*command, *options],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for_work(self) -> bool:
        """Wait until the stage says that it begins; return whether it does, or ends before."""
        return any("output in" in line for line in self.process.stdout)

    def kill(self) -> None:
        """Kill the process alone, as the system does that lacks memory, and see its workers go by themselves."""
        kill_alone(self.process)

    def end(self) -> tuple[int, str]:
        """Wait for the end and return the exit code and what was written to standard error."""
        errors = self.process.communicate()[1]
        return self.process.returncode, errors


def kill_alone(process: subprocess.Popen) -> None:
    """Kill the leader of a process group and check that the others of the group end by themselves."""
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + GONE_WITHIN
    while orphans := _living(process.pid):
        assert time.monotonic() < deadline, f"orphans of {process.args}: {orphans}"
        time.sleep(0.05)


def _living(group: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:  # it has just ended
            continue
        if int(its_group) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found


def finish(folder: Path, stage: str, run: str, *options: str) -> float:
    """Run a stage to its end and return the seconds that it was at work, without the start of the program."""
    code, errors = Command(folder, stage, run, *options).end()
    assert code == 0, errors
    return json.loads((folder / "runs" / run / stage / "done.json").read_text())["seconds"]


def check_whole(folder: Path) -> None:
    """Check that every file that has its name is complete, whatever happened to who wrote it."""
    for path in folder.rglob("*"):
        if not path.is_file() or path.name.startswith(".writing-"):
            continue
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None, path
        elif path.suffix == ".h5":
            arrays(path)
        elif path.suffix == ".cif":
            assert path.read_text().endswith("\n") and "_atom_site_fract_x" in path.read_text(), path


def arrays(path: Path) -> dict[str, str]:
    """Return the datasets of an HDF5 file by name, as digests."""
    found = {}

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = hashlib.sha256(item[()].tobytes()).hexdigest()

    with h5py.File(path) as file:
        file.visititems(add)
    return found


def outcome(folder: Path) -> dict[str, object]:
    """Return what a folder holds by file: weights by array, JSON and histories without times, the others as digests.

    Locks, TensorBoard's events (they hold clock times) and the state of a training (it names checksums of
    HDF5 files, in which equal weights can lie differently) are left out.
    """
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or path.name in (".lock", "state.json") or "tensorboard" in path.parts:
            continue
        if path.suffix == ".h5":
            found[name] = arrays(path)
        elif path.suffix == ".json":
            found[name] = _timeless(json.loads(path.read_text()))
        elif path.name == "history.csv":
            with open(path) as file:
                found[name] = [_timeless(row) for row in csv.DictReader(file)]
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _timeless(value):
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in TIMES}
    return [_timeless(item) for item in value] if isinstance(value, list) else value
