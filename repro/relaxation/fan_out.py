"""Many calculations at a time: jobs of quacc on Parsl, on this machine's cores or as a Parsl configuration describes.

A configuration is a Python file that sets ``config``, such as ``slurm.py`` beside this file. Without one the jobs
run on this machine's cores; with ``workers=0`` in this process, one after the other, without quacc and Parsl.
"""

import errno
import logging
import os
import runpy
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data_prep.errors import InputError
from repro.relaxation.calculation_store import CRASHED, Store

Job = tuple[Callable, tuple]
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # stop the run: no record could be kept
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ROOT = Path(__file__).parents[2]


def fan_out(
    jobs: Mapping[str, Job],
    store: Store,
    workers: int | None = None,
    parsl: Path | None = None,
    what: str = "jobs",
    seconds: float = 0.0,
) -> dict[str, dict]:
    """Return the record of every job by its key; only those that the store does not hold are calculated.

    Each job is a function and its arguments; it is called with ``key`` and the store's ``root`` as well and
    puts its own record. ``seconds`` is the jobs' time limit: those that ended at a smaller one are calculated again.
    A job that raises, or whose worker is killed twice, is recorded as crashed with its folder and does not stop the
    others. Raises InputError if quacc or Parsl is missing, OSError if the store cannot be written to.
    """
    found = {key: record for key in jobs if (record := store.get(key, seconds)) is not None}
    missing = {key: job for key, job in jobs.items() if key not in found}
    if not missing:
        return found
    run = _in_process if workers == 0 and parsl is None else _on_parsl
    bar = tqdm(total=len(jobs), initial=len(found), desc=what, unit="job", mininterval=1.0, file=sys.stderr)
    with bar:
        for key, outcome in run(missing, store, workers, parsl):
            found[key] = outcome if isinstance(outcome, dict) else _crashed(store, key, outcome)
            bar.update()
    return found


def _crashed(store: Store, key: str, error: BaseException) -> dict:
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        raise error
    reason = f"{type(error).__name__}: {error}".splitlines()[0][:500]
    folder = store.folder(key)
    trace = "".join(traceback.format_exception(error))[-4000:]
    where = {"folder": str(folder)} if folder.exists() else {}
    return store.put(key, {"status": CRASHED, "reason": reason, "traceback": trace} | where)


def _in_process(jobs: Mapping[str, Job], store: Store, *_: Any) -> Iterator[tuple[str, dict | Exception]]:
    for key, (function, arguments) in jobs.items():
        try:
            yield key, function(*arguments, key=key, root=str(store.root))
        except InputError:
            raise
        except Exception as error:  # recorded with its traceback by the caller
            yield key, error


def _on_parsl(
    jobs: Mapping[str, Job], store: Store, workers: int | None, configuration: Path | None
) -> Iterator[tuple[str, dict | BaseException]]:
    with _engine(store, workers, configuration) as job:
        apps: dict[Callable, Callable] = {}
        futures = {}
        for key, (function, arguments) in jobs.items():
            app = apps.setdefault(function, job(function))
            futures[app(*arguments, key=key, root=str(store.root.resolve()))] = key
        for future in as_completed(futures):
            error = future.exception()
            if isinstance(error, InputError):
                raise error
            yield futures[future], future.result() if error is None else error


@contextmanager
def _engine(store: Store, workers: int | None, configuration: Path | None) -> Iterator[Callable]:
    """Start Parsl and yield quacc's decorator for jobs; at the end stop Parsl and the jobs that still wait."""
    with _environment(_for_workers(share_cores=configuration is None)):
        try:
            import parsl
            from quacc import get_settings, job
        except ImportError as error:
            remedy = "run 'make surrogate' once, or pass --workers 0 for one job at a time"
            raise InputError(f"{error}: {remedy}.") from error
        if get_settings().WORKFLOW_ENGINE != "parsl":  # imported before: jobs would run here, one after the other
            raise InputError("quacc runs with another engine than parsl in this process: start the command by itself.")
        logging.getLogger("parsl").setLevel(logging.WARNING)  # quacc lowers it to debug
        kernel = parsl.load(read_configuration(configuration) if configuration else local_pool(store, workers))
        try:
            yield job
        finally:
            kernel.cleanup()
            parsl.clear()


def _for_workers(share_cores: bool) -> dict[str, str]:
    """Return the environment in which workers find this clone and its programs; with one thread each if asked for."""
    found = {
        "QUACC_WORKFLOW_ENGINE": "parsl",  # quacc reads it when it is imported
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    return found | {name: os.environ.get(name, "1") for name in _THREADS if share_cores}


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the processes that Parsl starts, and restore this process's own at the end."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def local_pool(store: Store, workers: int | None = None) -> Any:
    """Return the Parsl configuration of ``workers`` processes on this machine (None: one per core)."""
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor
    from parsl.providers import LocalProvider

    executor = HighThroughputExecutor(
        label="local",
        address="127.0.0.1",
        max_workers_per_node=workers or os.cpu_count() or 1,
        provider=LocalProvider(init_blocks=1, max_blocks=1),
        heartbeat_period=15,
        heartbeat_threshold=120,
        **_ends_with_us(),
    )
    return Config(executors=[executor], run_dir=str(store.root / "parsl"), retries=1, initialize_logging=False)


def _ends_with_us() -> dict:
    """Let Parsl's helper process end when this one is killed, and the workers after it; Linux alone can do that."""
    if shutil.which("setpriv") is None:
        return {}
    return {"interchange_launch_cmd": ("setpriv", "--pdeathsig", "TERM", "interchange.py")}


def read_configuration(path: Path) -> Any:
    """Return the ``config`` of a Python file; raises InputError if it has none, or if the file cannot be run."""
    if not Path(path).is_file():
        raise InputError(f"{path} is not there: give a Python file that sets 'config' to a parsl.Config.")
    try:
        config = runpy.run_path(str(path)).get("config")
    except Exception as error:  # a user's program: whatever it raises
        raise InputError(f"{path} cannot be run ({type(error).__name__}: {error}).") from error
    if not hasattr(config, "executors"):
        raise InputError(f"{path} sets no 'config' that is a parsl.Config, see {Path(__file__).parent}.")
    return config
