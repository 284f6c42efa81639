"""Which run an experiment is of, in the words of ``python -m repro``."""

import argparse
import os
from pathlib import Path

from repro.presets import PRESETS
from repro.run import Run, default_name


# To be replaced by the functions of the same name that ``python -m repro`` uses, once they have a module of their own.
def add_run_options(command: argparse.ArgumentParser) -> None:
    """Add ``--preset``, ``--source``, ``--run`` and ``--shared``."""
    command.add_argument("--preset", choices=PRESETS, help="sizes and budgets (default: laptop)")
    command.add_argument("--source", default="embedded", help="where the crystals come from (default: embedded)")
    command.add_argument("--run", help="name of the folder under runs/ and results/ (default: preset and source)")
    command.add_argument(
        "--shared",
        type=Path,
        default=Path(os.environ.get("ICSG_SHARED", "../shared")),
        help="folder that holds the authors' released weights, if you have it (default: ../shared)",
    )


def run_of(options: argparse.Namespace) -> Run:
    """Return the run that the command line names."""
    preset = options.preset or "laptop"
    name = options.run or default_name(preset, options.source)
    return Run(PRESETS[preset], options.source, name, options.shared)
