"""Runs trained beside another run, with something of its preset changed, that share what is equal.

A stage folder of such a run is a link to another run's folder if that run has finished the same work: the same
configuration on the same inputs, which is what the stamps of ``repro.stamps`` compare. They hold through a link as
they do without one, and a link to a folder that is gone or was made anew is replaced.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from repro import stamps
from repro.run import Run
from repro.stages import STAGES, identity_of, run_stage

WITHOUT_RELEASED = Path("no-released-weights")  # as a run's ``shared``: the released weights are not measured again


def bring(stage: str, run: Run, donors: Sequence[Run], result: Path | None = None) -> None:
    """Let ``run`` have a finished ``stage``: its own, a link to one of the ``donors``, or made now.

    A stage that writes its ``result`` under its own run's name is never a link; it is made again if that is gone.
    Raises InputError if a stage of another configuration is in the way.
    """
    if result is None:
        _drop_dead_link(stage, run)
        if link_finished(stage, run, donors):
            return
    elif not result.exists():
        (run.folder(stage) / stamps.DONE).unlink(missing_ok=True)
    run_stage(stage, run)


def link_finished(stage: str, run: Run, donors: Sequence[Run]) -> bool:
    """Return whether ``run`` has ``stage`` through a link, made now if one of ``donors`` has finished the same work."""
    folder = run.folder(stage)
    if folder.is_symlink():
        return True
    if folder.exists():
        return False  # it has work of its own, finished or not
    for donor in donors:
        other = donor.folder(stage)
        if other != folder and _is_the_work(other, stage, run):
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.symlink_to(os.path.relpath(other.resolve(), folder.parent.resolve()), target_is_directory=True)
            print(f"{stage}: the same as in {donor.folder(stage)}, shared with it.", flush=True)
            return True
    return False


def _drop_dead_link(stage: str, run: Run) -> None:
    """Remove a link whose folder is gone, is not finished or has since been made with something else."""
    folder = run.folder(stage)
    if folder.is_symlink() and not _is_the_work(folder, stage, run):
        folder.unlink()


def _is_the_work(folder: Path, stage: str, run: Run) -> bool:
    """Return whether ``folder`` holds what ``stage`` of ``run`` would make, finished."""
    stamp = stamps.read(folder)
    if stamp is None:
        return False
    inputs = {needed: identity_of(needed, run) for needed in STAGES[stage].reads(run)}
    return stamps.same(stamp, STAGES[stage].config(run), inputs)


def forget_networks() -> None:
    """Free what Keras keeps of the networks of one run before those of the next are made."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session()
