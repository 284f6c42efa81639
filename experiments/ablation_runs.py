"""The trainings behind Table 5: which presets, through which stages, and what they share.

A stage folder of an ablation is a link to another run's folder if that run has finished the same work: the same
configuration on the same inputs, which is what the stamps of ``repro.stamps`` compare. They hold through a link as
they do without one, and a link to a folder that is gone or was made anew is replaced.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data_prep.files.json_files import read_json
from models.table6 import VAEParameters
from repro import stamps
from repro.evaluation.results import SUMMARY
from repro.presets import Preset
from repro.run import Run
from repro.stages import STAGES, identity_of, run_stage

SHARED = ("data", "voxelize", "train-unet", "train-vae", "generator")
WAY = (*SHARED, "evaluate")  # the evaluation writes results under its own run's name, so that it is not shared
WITHOUT_RELEASED = Path("no-released-weights")  # they are no part of an ablation: not measured


@dataclass(frozen=True)
class Ablation:
    """A row of Table 5: what it is called here, and how it changes any preset."""

    system: str
    override: Callable[[Preset], Preset]


def _changed(preset: Preset, alpha: float, radii: str) -> Preset:
    return replace(preset, vae=replace(preset.vae, alpha=alpha), voxels=replace(preset.voxels, radii=radii))


ABLATIONS = {  # in the order of the paper's rows
    "no_dfc-sigma_1": Ablation("no DFC, σ = 1", lambda preset: _changed(preset, 0.0, "unit")),
    "dfc-sigma_1": Ablation("DFC, σ = 1", lambda preset: _changed(preset, VAEParameters().alpha, "unit")),
    "dfc-sigma_r": Ablation("DFC, σ = r", lambda preset: _changed(preset, VAEParameters().alpha, "ionic")),
}


def ablation_run(base: Run, name: str, seed: int) -> Run:
    """Return the run of one ablation and seed: a preset, a name and folders of its own."""
    preset = replace(ABLATIONS[name].override(base.preset), seed=seed)
    return replace(base, preset=preset, name=f"{base.name}-table5-{name}-seed_{seed}", shared=WITHOUT_RELEASED)


def ablation_runs(base: Run, seeds: int) -> list[tuple[str, int, Run]]:
    """Return the runs of all ablations with the seeds that follow the preset's: (ablation, seed, run)."""
    first = base.preset.seed
    return [(name, seed, ablation_run(base, name, seed)) for seed in range(first, first + seeds) for name in ABLATIONS]


def measure(base: Run, seeds: int) -> dict[str, dict[int, dict]]:
    """Train and evaluate every ablation, as far as that is not done, and return ``evaluation.json`` of each.

    Finished stages are not repeated. Raises InputError if a stage of another configuration is in the way.
    """
    runs = ablation_runs(base, seeds)
    donors = [base, *(run for _, _, run in runs)]
    measured: dict[str, dict[int, dict]] = {name: {} for name in ABLATIONS}
    for place, (name, seed, run) in enumerate(runs, start=1):
        print(f"table5: {ABLATIONS[name].system}, seed {seed} ({place} of {len(runs)}), {run.folder('')}", flush=True)
        for stage in WAY:
            bring(stage, run, donors)
        measured[name][seed] = read_json(run.results / SUMMARY, "run 'make table5'")
        _forget_networks()
    return measured


def bring(stage: str, run: Run, donors: Sequence[Run]) -> None:
    """Let ``run`` have a finished ``stage``: its own, a link to another run's, or made now."""
    if stage in SHARED:
        _drop_dead_link(stage, run)
        if link_finished(stage, run, donors):
            return
    elif not (run.results / SUMMARY).exists():
        (run.folder(stage) / stamps.DONE).unlink(missing_ok=True)  # its results were removed: measure again
    run_stage(stage, run)


def link_finished(stage: str, run: Run, donors: Sequence[Run]) -> bool:
    """Return whether ``run`` has ``stage`` through a link, made now if one of ``donors`` has finished the same work."""
    folder = run.folder(stage)
    if folder.is_symlink():
        return True
    if folder.exists():
        return False  # it has work of its own, finished or not
    wanted = _wanted(stage, run)
    for donor in donors:
        other = donor.folder(stage)
        stamp = None if other == folder else stamps.read(other)
        if stamp and stamps.same(stamp, *wanted):
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.symlink_to(os.path.relpath(other.resolve(), folder.parent.resolve()), target_is_directory=True)
            print(f"{stage}: the same as in {donor.folder(stage)}, shared with it.", flush=True)
            return True
    return False


def _drop_dead_link(stage: str, run: Run) -> None:
    """Remove a link whose folder is gone, is not finished or has since been made with something else."""
    folder = run.folder(stage)
    if folder.is_symlink():
        stamp = stamps.read(folder)
        if stamp is None or not stamps.same(stamp, *_wanted(stage, run)):
            folder.unlink()


def _wanted(stage: str, run: Run) -> tuple[dict, dict[str, str]]:
    """Return the configuration and the inputs that a finished ``stage`` of ``run`` has."""
    return STAGES[stage].config(run), {needed: identity_of(needed, run) for needed in STAGES[stage].reads(run)}


def _forget_networks() -> None:
    """Free what Keras keeps of the networks of one run before those of the next are made."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session()
