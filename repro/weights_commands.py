"""The commands that bring networks into a run or out of it, and that measure those of the project."""

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from repro.backend import start_backend
from repro.locks import reading
from repro.network_folders import PROPERTY_NETWORKS
from repro.run_options import add_run_options, add_stage_options, run_of
from repro.stages import finished_folders, identity_of


def calibrate_options(command: argparse.ArgumentParser) -> None:
    """Add the options of ``calibrate``."""
    add_run_options(command)
    command.add_argument("--weights", type=Path, help="folder of property networks (default: weights/cgcnn-improved)")


def calibrate(options: argparse.Namespace) -> None:
    """Measure how far property networks are off on the validation crystals of a run."""
    run = run_of(options)
    with reading([run.folder("graphs")]):
        identity_of("graphs", run)  # refuses one that is missing or stale
        import_module("repro.properties.calibrate").calibrate(run, options.weights or PROPERTY_NETWORKS)


def verify_options(command: argparse.ArgumentParser) -> None:
    """Add the options of ``verify``."""
    command.add_argument("--quick", action="store_true", help="the form of a minute: fewer crystals")
    command.add_argument("--accept", action="store_true", help="what is measured is expected from now on")


def verify(options: argparse.Namespace) -> None:
    """Measure the headline numbers again; leave with 1 if one differs."""
    start_backend()
    verify = import_module("repro.evaluation.verify").verify
    if not verify("quick" if options.quick else "whole", options.accept):
        sys.exit(1)


def import_options(command: argparse.ArgumentParser) -> None:
    """Add the options of ``import-networks``."""
    add_stage_options(command)
    command.add_argument("folder", type=Path, help="folder of unet.npz, vae_structured.npz and log.json")
    command.add_argument("--only", choices=("train-unet", "train-vae"), help="the stage of one of both networks")


def import_networks(options: argparse.Namespace) -> None:
    """Take a UNet and a VAE into a run."""
    start_backend()
    imported = import_module("repro.training.import_networks")
    stages = (options.only,) if options.only else tuple(imported.NETWORKS)
    imported.import_networks(run_of(options), options.folder, stages, options.again)


def import_properties_options(command: argparse.ArgumentParser) -> None:
    """Add the options of ``import-properties``."""
    add_run_options(command)
    command.add_argument("folder", type=Path, help="folder of property networks, such as weights/cgcnn")
    command.add_argument("--only", metavar="NAME,..", default="", help="these properties (default: all of the folder)")


def import_properties(options: argparse.Namespace) -> None:
    """Take property networks into a run."""
    start_backend()
    names = tuple(name.strip() for name in options.only.split(",") if name.strip())
    import_module("repro.properties.import_properties").import_properties(run_of(options), options.folder, names)


def publish_options(command: argparse.ArgumentParser) -> None:
    """Add the options of a command that publishes."""
    add_run_options(command)
    command.add_argument("--to", type=Path, help="folder for the networks (default: in weights)")


def publisher(module: str, name: str, stage: str) -> Callable[[argparse.Namespace], None]:
    """Return what publishes the result of ``stage`` with a function ``name`` of ``module``."""

    def publish(options: argparse.Namespace) -> None:
        run = run_of(options)
        with reading(finished_folders(run)):
            identity_of(stage, run)  # refuses one that is missing or stale
            getattr(import_module(module), name)(run, options.to)

    return publish
