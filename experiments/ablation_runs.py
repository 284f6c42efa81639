"""The trainings behind Table 5: which presets, through which stages; what is equal is shared (``shared_stages``)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from data_prep.files.json_files import read_json
from experiments.shared_stages import WITHOUT_RELEASED, bring, forget_networks
from models.table6 import VAEParameters
from repro.evaluation.results import SUMMARY
from repro.presets import Preset
from repro.run import Run

SHARED = ("data", "voxelize", "train-unet", "train-vae", "generator")
WAY = (*SHARED, "evaluate")  # the evaluation writes results under its own run's name, so that it is not shared


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
            bring(stage, run, donors, None if stage in SHARED else run.results / SUMMARY)
        measured[name][seed] = read_json(run.results / SUMMARY, "run 'make table5'")
        forget_networks()
    return measured
