"""The first lines of ``make reproduce``: what is about to run, why, how long, and how to choose otherwise."""

from repro.presets import PRESETS
from repro.run import Run

TIMES = {
    "smoke": "about 3 minutes on 2 cores",
    "laptop": "15 to 45 minutes on 2 cores",
    "improved": "hours on 2 cores, its VAE alone an hour and a half",
    "full": "8 minutes of training steps on a large GPU for its UNet and VAE, about 15 in all; refused without one",
    "dfc": "about an hour and a half on 2 cores for the paper's VAE; its perceptual model is the published UNet",
    "perov5": "about 1 h 40 min on 2 cores for its VAE; the UNet is the project's",
    "perov5-paper": "about an hour on 2 cores for its VAE; the UNet is the project's",
    "paper": "hours on a data-centre GPU; weeks without one",
}


def announcement(run: Run, gpu: bool) -> str:
    """Return the announcement of a run."""
    chosen = "a GPU is visible" if gpu else "no GPU is visible"
    others = " or ".join(f"PRESET={name}" for name in PRESETS if name != run.preset.name)
    return (
        f"Preset '{run.preset.name}' on source '{run.source}' ({chosen}): {TIMES[run.preset.name]}. "
        f"Choose another with {others}, other crystals with SOURCE=bases, SOURCE=materials-project, SOURCE=optimade "
        "or SOURCE=PATH.\n"
        f"Work goes to {run.work}, results to {run.results}. Stop it at any time; the same command goes on."
    )
