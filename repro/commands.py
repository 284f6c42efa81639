"""The commands of ``python -m repro``: one table of name, help, options and function.

Below this module there are no command-line options: a command's function gets what it needs as arguments.
"""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.errors import InputError
from data_prep.source_names import BASES, EMBEDDED
from repro import structure_commands as structures
from repro.announce import announcement
from repro.backend import start_backend
from repro.locks import reading
from repro.network_folders import GENERATOR, PROPERTY_NETWORKS
from repro.presets import PRESETS
from repro.run import Run, default_name
from repro.stages import STAGES, earlier_stages, finished_folders, identity_of, run_stage

if TYPE_CHECKING:
    from repro.generation.request import Request

EPILOG = """presets:
  smoke    16^3 grid, a few dozen crystals: the whole pipeline in under 3 minutes
  laptop   32^3 grid, full VAE, narrow UNet, short training: under 45 minutes on 2 cores
  improved our own networks, hours on 2 cores: a VAE that gives composition and lattice first, deeper CGCNNs
  full     the paper's UNet at Table 6's size, improved's VAE: 8 minutes of a large GPU for both
  dfc      the paper's VAE with the UNet of full as its perceptual model: an hour on 2 cores, the UNet imported
  paper    Table 6 exactly: needs a GPU

sources:
  embedded            the project's own computed crystals (no key, no network)
  bases               the Materials Project's crystals that the published generator was trained on (no key, no network)
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


def _stage_options(command: argparse.ArgumentParser) -> None:
    add_run_options(command)
    command.add_argument("--again", action="store_true", help="run the stage although it is done")


def _shared_out_options(command: argparse.ArgumentParser) -> None:
    _stage_options(command)
    command.add_argument("--scheduler", metavar="ADDRESS", help="let a Dask cluster do it: tcp://HOST:PORT")


def _generate_options(command: argparse.ArgumentParser) -> None:
    _stage_options(command)
    command.set_defaults(source=None)  # of a run: embedded; of the published networks: what they were trained on
    target = command.add_mutually_exclusive_group()
    target.add_argument(
        "--base",
        help="find crystals around this compound: a formula in any spelling, an id, or a file (CIF, POSCAR, XYZ)",
    )
    target.add_argument("--random", action="store_true", help="sample the whole latent space")
    command.add_argument("--formation-energy", type=float, help="eV/atom; chooses the condition's decile")
    command.add_argument("--count", type=int, help=f"how many distinct new crystals to list (default: {COUNT})")
    command.add_argument("--samples", type=int, help="instead: how many latents to sample, whatever they give")
    command.add_argument("--known", action="store_true", help="list crystals of formulas that are in the data too")
    command.add_argument(
        "--distance", type=float, help="how far the elements are from the base's, 0 (near) to 1 (far) (default: 0.2)"
    )
    command.add_argument(
        "--spread",
        type=float,
        help="standard deviation around the base itself, the paper's way, or factor of a random latent's (0.5, 0.8)",
    )
    command.add_argument(
        "--random-from",
        choices=("encoded", "normal"),
        help="random latents as those of the training crystals lie, or N(0, 1) as in the paper (default: the preset's)",
    )
    command.add_argument("--seed", type=int, help="seed of the samples (default: the preset's)")
    command.add_argument("--elements", metavar="Na,Cl,..", help="atoms may be of these elements only")
    command.add_argument("--out", type=Path, help="folder of CIFs and candidates.csv (default: beside the results)")
    command.add_argument("--weights", type=Path, help="folder of the VAE and UNet (default: weights/generator)")
    command.add_argument(
        "--property-weights",
        type=Path,
        help="folder of property networks, such as weights/cgcnn (default: weights/cgcnn-improved, or the run's own)",
    )
    command.add_argument("--relax", action="store_true", help="relax the listed candidates with CHGNet as well")
    wanted = command.add_argument_group("filters", "list only candidates that are valid and ..")
    wanted.add_argument("--same-stoichiometry", action="store_true", help="have the base's stoichiometry")
    wanted.add_argument("--charge-balanced", action="store_true", help="have oxidation states that add up to zero")
    wanted.add_argument("--novel", action="store_true", help="have a formula that is not in the data")
    wanted.add_argument(
        "--energy-window", type=float, nargs=2, metavar=("LOW", "HIGH"), help="predicted formation energy, eV/atom"
    )
    wanted.add_argument("--unique", action="store_true", help="are no duplicates of earlier ones (StructureMatcher)")


COUNT = 100  # candidates that are listed if no number is asked for
_SAMPLING = (
    "formation_energy",
    "count",
    "samples",
    "distance",
    "spread",
    "seed",
    "out",
    "random_from",
    "property_weights",
)


def _generate(options: argparse.Namespace) -> None:
    from repro.generation.funnel import Filters
    from repro.generation.request import Request

    window = tuple(options.energy_window) if options.energy_window else None
    filters = Filters(options.same_stoichiometry, options.charge_balanced, options.novel, window, options.unique)
    request = Request(
        base=options.base,
        count=COUNT if options.count is None and options.samples is None else options.count,
        samples=options.samples,
        formation_energy=options.formation_energy,
        distance=options.distance,
        spread=options.spread,
        random_from=options.random_from,
        seed=0 if options.seed is None else options.seed,
        elements=_symbols(options.elements),
        filters=filters,
        known=options.known,
    )
    if options.base or options.random:
        _generate_wanted(options, request)
        return
    given = [name for name in _SAMPLING if getattr(options, name) is not None]
    if given:
        raise InputError(f"--{given[0].replace('_', '-')} needs --base or --random beside it.")
    run_stage("generate", run_of(options), options.again)


def _symbols(elements: str | None) -> tuple[str, ...]:
    symbols = tuple(symbol.strip() for symbol in (elements or "").split(",") if symbol.strip())
    if elements is not None and not symbols:
        raise InputError(f"--elements {elements}: nothing is no element; write --elements Na,Cl.")
    return symbols


def _generate_wanted(options: argparse.Namespace, request: "Request") -> None:
    """Sample what is asked for, with the published networks or, if the options name a run, with its own."""
    generation = import_module("repro.generation.generate")
    if not (options.preset or options.run):
        weights, ranking = options.weights or GENERATOR, options.property_weights or PROPERTY_NETWORKS
        generation.generate_published(request, weights, ranking, options.source or BASES, options.out, options.relax)
        return
    run = run_of(options)
    if options.seed is None:
        request = replace(request, seed=run.preset.seed)
    needed = earlier_stages("generate", run)
    with reading([run.folder(name) for name in needed]):
        for name in needed:
            identity_of(name, run)  # refuses one that is missing or stale
        generation.generate_of_run(request, run, options.property_weights, options.out, options.relax)


def _calibrate_options(command: argparse.ArgumentParser) -> None:
    add_run_options(command)
    command.add_argument("--weights", type=Path, help="folder of property networks (default: weights/cgcnn-improved)")


def _calibrate(options: argparse.Namespace) -> None:
    run = run_of(options)
    with reading([run.folder("graphs")]):
        identity_of("graphs", run)  # refuses one that is missing or stale
        import_module("repro.properties.calibrate").calibrate(run, options.weights or PROPERTY_NETWORKS)


def _verify_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--quick", action="store_true", help="the form of a minute: fewer crystals")
    command.add_argument("--accept", action="store_true", help="what is measured is expected from now on")


def _verify(options: argparse.Namespace) -> None:
    start_backend()
    verify = import_module("repro.evaluation.verify").verify
    if not verify("quick" if options.quick else "whole", options.accept):
        sys.exit(1)


def _import_options(command: argparse.ArgumentParser) -> None:
    _stage_options(command)
    command.add_argument("folder", type=Path, help="folder of unet.npz, vae_structured.npz and log.json")
    command.add_argument("--only", choices=("train-unet", "train-vae"), help="the stage of one of both networks")


def _import_networks(options: argparse.Namespace) -> None:
    start_backend()
    imported = import_module("repro.training.import_networks")
    stages = (options.only,) if options.only else tuple(imported.NETWORKS)
    imported.import_networks(run_of(options), options.folder, stages, options.again)


def _import_properties_options(command: argparse.ArgumentParser) -> None:
    add_run_options(command)
    command.add_argument("folder", type=Path, help="folder of property networks, such as weights/cgcnn")
    command.add_argument("--only", metavar="NAME,..", default="", help="these properties (default: all of the folder)")


def _import_properties(options: argparse.Namespace) -> None:
    start_backend()
    names = tuple(name.strip() for name in options.only.split(",") if name.strip())
    import_module("repro.properties.import_properties").import_properties(run_of(options), options.folder, names)


def _announce_options(command: argparse.ArgumentParser) -> None:
    add_run_options(command)
    command.add_argument("--gpu", action="store_true", help="a GPU is visible")


def _announce(options: argparse.Namespace) -> None:
    print(announcement(run_of(options), options.gpu))


def _publish_options(command: argparse.ArgumentParser) -> None:
    add_run_options(command)
    command.add_argument("--to", type=Path, help="folder for the networks (default: in weights)")


def _publish(module: str, name: str, stage: str) -> Callable[[argparse.Namespace], None]:
    def publish(options: argparse.Namespace) -> None:
        run = run_of(options)
        with reading(finished_folders(run)):
            identity_of(stage, run)  # refuses one that is missing or stale
            getattr(import_module(module), name)(run, options.to)

    return publish


def _stage(name: str) -> Command:
    options = _shared_out_options if name in ("voxelize", "graphs") else _stage_options
    return Command(STAGES[name].help, options, lambda given: run_stage(name, run_of(given), given.again))


COMMANDS = {name: _stage(name) for name in STAGES} | {
    "generate": Command(STAGES["generate"].help, _generate_options, _generate),
    "import-networks": Command(
        "take a UNet and a VAE that were trained elsewhere into a run, instead of training them there",
        _import_options,
        _import_networks,
    ),
    "import-properties": Command(
        "take trained property networks into a run, which then trains those of the other properties alone",
        _import_properties_options,
        _import_properties,
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
        _calibrate_options,
        _calibrate,
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
        _verify_options,
        _verify,
    ),
    "announce": Command(
        "print what make reproduce is about to run, how long it takes, and how to choose otherwise",
        _announce_options,
        _announce,
    ),
    "publish-generator": Command(
        "copy a run's generator into weights/generator, and its evaluation into results/published",
        _publish_options,
        _publish("repro.evaluation.publish_generator", "publish_generator", "generator"),
    ),
    "publish": Command(
        "copy a run's property networks into weights, and its Table 1 and Figure 5 into results/published",
        _publish_options,
        _publish("repro.properties.publish_properties", "publish_properties", "properties"),
    ),
}
