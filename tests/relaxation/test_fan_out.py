"""Many jobs: failures are recorded and do not stop the others; the pool leaves nothing behind."""

import errno
import os
import signal
import sys
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from data_prep.errors import InputError
from repro.relaxation import fan_out
from repro.relaxation.calculation_store import CONVERGED, CRASHED, Store


def counting_job(number: int, key: str, root: str) -> dict:
    """Note each call; fail for number 2."""
    with open(Path(root) / "calls", "a") as file:
        file.write(f"{number}\n")
    if number == 2:
        (Store(Path(root)).folder(key)).mkdir(parents=True)
        raise RuntimeError("planted")
    return Store(Path(root)).put(key, {"status": CONVERGED, "reason": "", "number": number})


def test_one_failing_job_does_not_stop_the_rest_and_finished_ones_are_not_repeated(tmp_path):
    store, jobs = Store(tmp_path), {f"k{n}": (counting_job, (n,)) for n in range(4)}
    found = fan_out.fan_out(jobs, store, workers=0)
    assert [found[f"k{n}"]["status"] for n in range(4)] == [CONVERGED, CONVERGED, CRASHED, CONVERGED]
    assert "planted" in found["k2"]["reason"] and found["k2"]["folder"] == str(store.folder("k2"))
    store.folder("k2").rmdir()
    fan_out.fan_out(jobs, store, workers=0)
    assert (tmp_path / "calls").read_text().split() == ["0", "1", "2", "3", "2"]  # only the crash is tried again


def test_a_full_disk_stops_the_run(tmp_path, monkeypatch):
    def full(path, value):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("repro.relaxation.calculation_store.write_json", full)
    with pytest.raises(OSError, match="No space left"):
        fan_out.fan_out({"k1": (counting_job, (1,))}, Store(tmp_path), workers=0)


def failing_job(number: int, key: str, root: str) -> dict:
    """Fail for number 0 as where a program is missing on one node."""
    if number == 0:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "pw.x")
    return Store(Path(root)).put(key, {"status": CONVERGED, "reason": ""})


def test_a_file_that_one_job_lacks_does_not_stop_the_others(tmp_path):
    found = fan_out.fan_out({f"k{n}": (failing_job, (n,)) for n in range(2)}, Store(tmp_path), workers=0)
    assert [found[key]["status"] for key in ("k0", "k1")] == [CRASHED, CONVERGED]
    assert "pw.x" in found["k0"]["reason"]


def suicidal_job(number: int, key: str, root: str) -> dict:
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return Store(Path(root)).put(key, {"status": CONVERGED, "reason": "", "number": number})


@pytest.mark.skipif(
    not (find_spec("parsl") and find_spec("quacc")), reason="quacc or Parsl is not installed (extra 'surrogate')"
)
def test_a_killed_worker_is_recorded_and_the_others_go_on(tmp_path):
    jobs = {f"k{n}": (suicidal_job, (n,)) for n in range(3)}
    found = fan_out.fan_out(jobs, Store(tmp_path), workers=1)
    assert [found[f"k{n}"]["status"] for n in range(3)] == [CRASHED, CONVERGED, CONVERGED]


def test_the_environment_of_the_workers_is_not_left_behind(tmp_path, monkeypatch):
    seen = {}

    def load(configuration):
        seen.update(os.environ)
        return SimpleNamespace(cleanup=lambda: None)

    def job(function):
        def app(*arguments, **options):
            done = Future()
            done.set_result(function(*arguments, **options))
            return done

        return app

    settings = SimpleNamespace(WORKFLOW_ENGINE="parsl")
    monkeypatch.setitem(sys.modules, "parsl", SimpleNamespace(load=load, clear=lambda: None))
    monkeypatch.setitem(sys.modules, "quacc", SimpleNamespace(get_settings=lambda: settings, job=job))
    monkeypatch.setattr(fan_out, "local_pool", lambda store, workers: None)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    found = fan_out.fan_out({f"k{n}": (counting_job, (n,)) for n in range(2)}, Store(tmp_path))
    assert [found[f"k{n}"]["number"] for n in range(2)] == [0, 1]
    assert dict(os.environ) == before
    assert seen["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert seen["PYTHONPATH"].split(os.pathsep)[0] == str(fan_out.ROOT)
    assert (seen["QUACC_WORKFLOW_ENGINE"], seen["OMP_NUM_THREADS"], seen["MKL_NUM_THREADS"]) == ("parsl", "3", "1")


def test_a_missing_parsl_configuration_is_named(tmp_path):
    with pytest.raises(InputError, match="nothing.py is not there"):
        fan_out.read_configuration(tmp_path / "nothing.py")
    (tmp_path / "empty.py").write_text("x = 1\nconfig = 3\n")
    with pytest.raises(InputError, match="sets no 'config'"):
        fan_out.read_configuration(tmp_path / "empty.py")
    (tmp_path / "wrong.py").write_text("import os\nconfig = os.environ['NO_SUCH_ACCOUNT']\n")
    with pytest.raises(InputError, match="wrong.py cannot be run .KeyError: 'NO_SUCH_ACCOUNT'"):
        fan_out.read_configuration(tmp_path / "wrong.py")


@pytest.mark.skipif(not find_spec("parsl"), reason="Parsl is not installed (extra 'surrogate')")
def test_the_example_for_slurm_is_a_configuration():
    config = fan_out.read_configuration(Path(fan_out.__file__).with_name("slurm.py"))
    assert [executor.label for executor in config.executors] == ["slurm"]
