"""What a finished stage leaves behind, and how a stale or foreign one is recognised.

``started.json`` is written when a stage begins, ``done.json`` when it has ended. Both carry the
stage's identity: the hash of its configuration, of the identities of the stages it read and, when it has ended, of
the networks that it made. Stamps of earlier versions lack these: what was made from them stays valid.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from repro.locks import LOCK

DONE, STARTED = "done.json", "started.json"
PACKAGES = ("keras", "tensorflow", "numpy", "scipy", "scikit-image", "pymatgen")


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Return the versions of Python and of ``packages``."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def commit() -> str | None:
    """Return the commit of the program, or None if it does not run from a clone."""
    return _answer("git", "-C", str(Path(__file__).resolve().parents[1]), "rev-parse", "HEAD")


def machine() -> dict[str, str | int | None]:
    """Return the cores that this process may use, and the name of the GPU that it sees, if any."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cores": cores, "gpu": _answer("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")}


def _answer(*command: str) -> str | None:
    """Return the first line that a program prints, or None if it is not there or fails."""
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    return found[0] if found else None


def identity(config: dict, inputs: dict[str, str], made: dict[str, str] | None = None) -> str:
    """Return the sha256 of a stage's configuration, of its inputs' identities and of what it has ``made``, if any."""
    parts = [config, inputs, made] if made else [config, inputs]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def read(folder: Path, name: str = DONE) -> dict | None:
    """Return a stamp, or None if there is none yet; raises InputError if it is damaged."""
    path = folder / name
    if not path.exists():
        return None
    try:
        stamp = json.loads(path.read_text())
        if not (isinstance(stamp["identity"], str) and isinstance(stamp["config"], dict)):
            raise ValueError("no identity")
        stamp["inputs"].keys()
        return stamp
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # a JSON fault is a ValueError
        raise InputError(f"{path} is damaged: remove the folder {folder} and run the stage again.") from error


def begin(folder: Path, config: dict, inputs: dict[str, str]) -> None:
    """Claim ``folder`` for a configuration; raises InputError when it holds another one's work."""
    for name in (DONE, STARTED):
        found = read(folder, name)
        if found and not same(found, config, inputs):
            raise InputError(
                f"{folder} was made with {_difference(found, config, inputs)}: "
                "remove that folder to make it anew, or give this run another name with --run NAME."
            )
    if read(folder, STARTED) is None:
        write_json(folder / STARTED, {"identity": identity(config, inputs), "config": config, "inputs": inputs})


def claimed(folder: Path) -> Path:
    """Return the claimed folder that ``folder`` lies in, or itself: it has to go before other settings are tried."""
    return next((one for one in (folder, *folder.parents) if (one / STARTED).exists()), folder)


def withdraw(folder: Path, config: dict, inputs: dict[str, str]) -> None:
    """Forget that ``folder`` was made; what was made with another configuration goes with it.

    Else a training begun with other settings would be resumed, and its result stamped with these.
    """
    found = [read(folder, name) for name in (DONE, STARTED)]
    if any(stamp and not same(stamp, config, inputs) for stamp in found):
        empty(folder)
    for name in (DONE, STARTED):
        (folder / name).unlink(missing_ok=True)


def empty(folder: Path) -> None:
    """Remove all that is in ``folder``, but for the lock of who makes it.

    ``done.json`` goes first and ``started.json`` last: a folder that is left half empty is neither done nor anyone's.
    """
    (folder / DONE).unlink(missing_ok=True)
    for item in folder.iterdir():
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item)
        elif item.name not in (LOCK, STARTED):
            item.unlink()
    (folder / STARTED).unlink(missing_ok=True)


def finish(
    folder: Path,
    config: dict,
    inputs: dict[str, str],
    seconds: float,
    counts: dict[str, Any],
    made: dict[str, str] | None = None,
) -> None:
    """Write ``done.json``: configuration, inputs, versions, counts and duration in ``seconds``.

    ``made`` has the checksums of the files whose content is part of the identity, by their names.
    """
    write_json(
        folder / DONE,
        {
            "identity": identity(config, inputs, made),
            "config": config,
            "inputs": inputs,
            **({"made": made} if made else {}),
            "counts": counts,
            "seconds": round(seconds, 1),
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "versions": versions(),
            "commit": commit(),
            "machine": machine(),
        },
    )


def same(found: dict, config: dict, inputs: dict[str, str]) -> bool:
    """Return whether a stored stamp is of this configuration and these inputs, whatever was made of them.

    What is off (0, False, none) counts as what an earlier version did not know: a new hyperparameter that is off by
    default leaves earlier runs valid.
    """
    return not _changed(found, config) and found["inputs"] == inputs


def _changed(found: dict, config: dict) -> list[str]:
    """Return the names of the settings that a stored stamp has otherwise."""
    stored, wanted = found["config"], json.loads(json.dumps(config))
    names = sorted(stored.keys() | wanted.keys())
    return [name for name in names if (stored.get(name) or None) != (wanted.get(name) or None)]


def _difference(found: dict, config: dict, inputs: dict[str, str]) -> str:
    """Return in a few words how a stored stamp differs from what is asked for."""
    changed = [
        f"{name} = {found['config'].get(name)!r} instead of {config.get(name)!r}" for name in _changed(found, config)
    ]
    stale = [name for name in inputs if found["inputs"].get(name) != inputs[name]]
    if stale:
        changed.append(f"an earlier result of {' and '.join(stale)}")
    return "; ".join(changed) or "another configuration"
