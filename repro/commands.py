"""The commands of ``python -m repro``: one table of name, help, options and function.

Below this module there are no command-line options: a command's function gets what it needs as arguments.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from repro import structure_commands as structures
from repro import weights_commands as weights
from repro.announce import announcement
from repro.generate_command import generate, generate_options
from repro.run_options import add_run_options, add_shared_out_options, add_stage_options, run_of
from repro.stages import STAGES, run_stage

EPILOG = """presets:
  smoke    16^3 grid, a few dozen crystals: the whole pipeline in under 3 minutes
  laptop   32^3 grid, full VAE, narrow UNet, short training: under 45 minutes on 2 cores
  improved our own networks, hours on 2 cores: a VAE that gives composition and lattice first, deeper CGCNNs
  full     the paper's UNet at full size, improved's VAE: 8 minutes of training steps on a large GPU, about 15 in all
  dfc      the paper's VAE with the published UNet as its perceptual model: about an hour and a half on 2 cores
  perov5, perov5-paper   both VAEs on CDVAE's benchmark of perovskites: about 1 h 40 min and an hour on 2 cores
  paper    Table 6 exactly: needs a GPU

sources:
  embedded            the project's own computed crystals (no key, no network)
  bases               the crystals that trained and tested the published generator (no key, no network)
  materials-project   the Materials Project's API; the key is read from MP_API_KEY
  optimade[:URL]      an OPTIMADE database with formation energies (no key; the Materials Project's without a URL)
  PATH                a table, JSON, an ASE database, or a folder of CIFs with one properties CSV
"""


@dataclass(frozen=True)
class Command:
    """One line of the table; ``run`` gets the parsed options."""

    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    main = argparse.ArgumentParser(
        prog="python -m repro",
        description="Generate inorganic crystals with Court et al.'s Cond-DFC-VAE, UNet and CGCNN (JCIM 2020).",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        described = commands.add_parser(
            name,
            help=command.help,
            description=command.help[0].upper() + command.help[1:] + ".",
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_options(described)
    return main


def _announce_options(command: argparse.ArgumentParser) -> None:
    add_run_options(command)
    command.add_argument("--gpu", action="store_true", help="a GPU is visible")


def _announce(options: argparse.Namespace) -> None:
    print(announcement(run_of(options), options.gpu))


def _stage(name: str) -> Command:
    options = add_shared_out_options if name in ("voxelize", "graphs") else add_stage_options
    return Command(STAGES[name].help, options, lambda given: run_stage(name, run_of(given), given.again))


COMMANDS = {name: _stage(name) for name in STAGES} | {
    "generate": Command(STAGES["generate"].help, generate_options, generate),
    "import-networks": Command(
        "take a UNet and a VAE that were trained elsewhere into a run, instead of training them there",
        weights.import_options,
        weights.import_networks,
    ),
    "import-properties": Command(
        "take trained property networks into a run, which then trains those of the other properties alone",
        weights.import_properties_options,
        weights.import_properties,
    ),
    "reconstruct": Command(
        "encode your own crystals and decode them again: CIFs, and the errors of each",
        structures.files_options(
            "folder of CIFs and reconstruction.csv (default: reconstructed-NAME of the first PATH)"
        ),
        structures.reconstruct,
    ),
    "predict": Command(
        "predict eight properties of your own structures, with units, as CSV",
        structures.files_options("write the CSV to this file instead of the screen"),
        structures.predict,
    ),
    "hull": Command(
        "how stable crystals are: energy above the convex hull of known compounds, its error, what they decompose into",
        structures.hull_options,
        structures.hull,
    ),
    "calibrate": Command(
        "measure how far predictions are off, per property and family, on the validation crystals of a run",
        weights.calibrate_options,
        weights.calibrate,
    ),
    "relax": Command(
        "relax your own crystals with CHGNet, or with Quantum ESPRESSO: CIFs, energies, what changed",
        structures.relax_options,
        structures.relax,
    ),
    "score": Command(
        "judge the crystals of any model one by one and all together: valid, unique, new, stable, and why not",
        structures.score_options,
        structures.score,
    ),
    "verify": Command(
        "measure the headline numbers again from the published weights, beside what was published",
        weights.verify_options,
        weights.verify,
    ),
    "announce": Command(
        "print what make reproduce is about to run, how long it takes, and how to choose otherwise",
        _announce_options,
        _announce,
    ),
    "publish-generator": Command(
        "copy a run's generator into weights/generator, and its evaluation into results/published; of any crystal into "
        "weights/perov5 alone",
        weights.publish_options,
        weights.publisher("repro.evaluation.publish_generator", "publish_generator", "generator"),
    ),
    "publish": Command(
        "copy a run's property networks into weights, and its Table 1 and Figure 5 into results/published",
        weights.publish_options,
        weights.publisher("repro.properties.publish_properties", "publish_properties", "properties"),
    ),
}
