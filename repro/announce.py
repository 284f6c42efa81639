"""The first lines of ``make reproduce``: what is about to run, why, how long, and how to choose otherwise."""

import argparse

from repro.presets import PRESETS
from repro.run import default_name

TIMES = {
    "smoke": "about 3 minutes on 2 cores",
    "laptop": "15 to 45 minutes on 2 cores",
    "improved": "hours on 2 cores, its VAE alone an hour and a half",
    "paper": "hours on a data-centre GPU; weeks without one",
}


def announcement(preset: str, source: str, run: str, gpu: bool) -> str:
    """Return the announcement of a run."""
    chosen = "a GPU is visible" if gpu else "no GPU is visible"
    others = " or ".join(f"PRESET={name}" for name in PRESETS if name != preset)
    return (
        f"Preset '{preset}' on source '{source}' ({chosen}): {TIMES[preset]}. "
        f"Choose another with {others}, other crystals with SOURCE=materials-project, SOURCE=optimade or SOURCE=PATH.\n"
        f"Work goes to runs/{run}, results to results/{run}. Stop it at any time; the same command goes on."
    )


def main() -> None:
    """Print the announcement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=PRESETS, required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--run")
    parser.add_argument("--gpu", default="")
    options = parser.parse_args()
    run = options.run or default_name(options.preset, options.source)
    print(announcement(options.preset, options.source, run, bool(options.gpu)))


if __name__ == "__main__":
    main()
