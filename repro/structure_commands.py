"""The options of the commands that take structures of a user's own, and how their functions are called."""

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from data_prep.source_names import BASES
from repro.network_folders import GENERATOR, PROPERTY_NETWORKS
from repro.relaxation.calculation_options import add_options, add_relaxation, chosen_options, relaxation_of

_STRUCTURES = "files, folders or zip archives: CIF, POSCAR, extended XYZ, tables, JSON, ASE databases"


def files_options(what: str) -> Callable[[argparse.ArgumentParser], None]:
    """Return what adds paths, ``--out`` and ``--weights``; ``what`` describes the output."""

    def add(command: argparse.ArgumentParser) -> None:
        command.add_argument("paths", type=Path, nargs="+", metavar="PATH", help=_STRUCTURES)
        command.add_argument("--out", type=Path, help=what)
        command.add_argument(
            "--weights", type=Path, help="folder of networks (default: those that come with the project)"
        )

    return add


def predict(options: argparse.Namespace) -> None:
    """Predict properties."""
    import_module("repro.properties.predict").predict_files(
        options.paths, options.out, options.weights or PROPERTY_NETWORKS
    )


def hull_options(command: argparse.ArgumentParser) -> None:
    """Add the options of ``hull``."""
    command.add_argument("paths", type=Path, nargs="+", metavar="FILE", help=_STRUCTURES)
    command.add_argument("--out", type=Path, help="write all columns to this CSV file instead of the screen")
    command.add_argument("--weights", type=Path, help="folder of property networks (default: weights/cgcnn-improved)")
    command.add_argument("--hull", type=Path, help="folder of a hull's table (default: the one of the project)")


def hull(options: argparse.Namespace) -> None:
    """Tell how stable crystals are."""
    stability, data = import_module("repro.properties.stability"), import_module("data_prep.hull")
    stability.hull_files(options.paths, options.out, options.weights or PROPERTY_NETWORKS, options.hull or data.FOLDER)


def reconstruct(options: argparse.Namespace) -> None:
    """Send crystals through the VAE and back."""
    import_module("repro.evaluation.reconstruct").reconstruct_files(
        options.paths, options.out, options.weights or GENERATOR
    )


def relax_options(command: argparse.ArgumentParser) -> None:
    """Add the options of ``relax``."""
    command.add_argument("paths", type=Path, nargs="+", metavar="PATH", help=_STRUCTURES)
    command.add_argument(
        "--out", type=Path, help="folder of relaxed.csv and CIFs (default: beside the first PATH, -relaxed)"
    )
    add_options(command)


def relax(options: argparse.Namespace) -> None:
    """Relax crystals."""
    relax_files = import_module("repro.relaxation.relax_files").relax_files
    relax_files(options.paths, options.out, chosen_options(options))


def score_options(command: argparse.ArgumentParser) -> None:
    """Add the options of ``score``."""
    command.add_argument("paths", type=Path, nargs="+", metavar="PATH", help=_STRUCTURES)
    command.add_argument(
        "--reference",
        default=BASES,
        metavar="SOURCE",
        help="known crystals to compare with: a source, a table or a folder, with energies or without (default: bases)",
    )
    add_relaxation(command, "the valid structures")
    command.add_argument("--out", type=Path, help="folder of the scores (default: scores-NAME of the first PATH)")
    command.add_argument("--weights", type=Path, help="folder of property networks (default: weights/cgcnn-improved)")
    command.add_argument("--hull", type=Path, help="folder of a hull's table (default: the one of the project)")


def score(options: argparse.Namespace) -> None:
    """Judge structures, then draw the page of their scores."""
    scoring, data = import_module("repro.scoring.score"), import_module("data_prep.hull")
    settings = scoring.Scoring(
        options.reference,
        options.weights or PROPERTY_NETWORKS,
        options.hull or data.FOLDER,
        relaxation_of(options),
    )
    scores, out = scoring.score_files(options.paths, settings, options.out)
    print(import_module("experiments.reporting.score_page").write_page(scores, out))
