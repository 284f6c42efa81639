"""The options that name a run, and the run that they name."""

import argparse
import os
from pathlib import Path

from data_prep.source_names import EMBEDDED
from repro.presets import PRESETS
from repro.run import Run, default_name


def add_run_options(command: argparse.ArgumentParser) -> None:
    """Add the options that name a run: preset, source, name, shared folder."""
    command.add_argument("--preset", choices=PRESETS, help="sizes and budgets (default: laptop)")
    command.add_argument("--source", default=EMBEDDED, help="where the crystals come from (default: embedded)")
    command.add_argument("--run", help="name of the folder under runs/ and results/ (default: preset and source)")
    command.add_argument(
        "--shared",
        type=Path,
        default=Path(os.environ.get("ICSG_SHARED", "../shared")),
        help="folder that holds the authors' released weights, if you have it (default: ../shared)",
    )


def run_of(options: argparse.Namespace) -> Run:
    """Return the run that the options name."""
    preset = options.preset or "laptop"
    source = options.source or EMBEDDED
    name = options.run or default_name(preset, source)
    return Run(PRESETS[preset], source, name, options.shared, getattr(options, "scheduler", None))


def add_stage_options(command: argparse.ArgumentParser) -> None:
    """Add the options of a run and ``--again``."""
    add_run_options(command)
    command.add_argument(
        "--again", action="store_true", help="make it anew from the beginning, although it is done or begun"
    )


def add_shared_out_options(command: argparse.ArgumentParser) -> None:
    """Add the options of a stage whose work a Dask cluster can share."""
    add_stage_options(command)
    command.add_argument("--scheduler", metavar="ADDRESS", help="let a Dask cluster do it: tcp://HOST:PORT")
