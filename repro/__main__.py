"""python -m repro STAGE --preset P: one command per stage."""

import argparse
import os
import signal
import sys
from importlib import import_module
from pathlib import Path

import repro  # noqa: F401  (sets TensorFlow's switches before anything imports it)
from data_prep.errors import InputError, sentence
from repro.backend import start_backend
from repro.locks import reading
from repro.presets import PRESETS
from repro.relaxation.options import add_options
from repro.run import Run, default_name
from repro.stages import STAGES, finished_folders, run_stage

EPILOG = """presets:
  smoke    16^3 grid, a few dozen crystals: the whole pipeline in under 3 minutes
  laptop   32^3 grid, full VAE, narrow UNet, short training: under 45 minutes on 2 cores
  improved our own networks, hours on 2 cores: a VAE that says composition and lattice first, deeper CGCNNs
  paper    Table 6 exactly: needs a GPU

sources:
  embedded            the project's own computed crystals (no key, no network)
  materials-project   the Materials Project's API; the key is read from MP_API_KEY
  optimade[:URL]      an OPTIMADE database with formation energies (no key; the Materials Project's without a URL)
  PATH                a CSV or Parquet table, or a folder of CIFs with one properties CSV
"""


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    main = argparse.ArgumentParser(
        prog="python -m repro",
        description="Generate inorganic crystals with Court et al.'s Cond-DFC-VAE, UNet and CGCNN (JCIM 2020).",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = main.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for name, help in ({name: stage.help for name, stage in STAGES.items()} | COMMANDS).items():
        command = commands.add_parser(
            name,
            help=help,
            description=help[0].upper() + help[1:] + ".",
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _OPTIONS.get(name, _add_run_options)(command)
    return main


def _add_run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--preset", choices=PRESETS, help="sizes and budgets (default: laptop)")
    command.add_argument("--source", default="embedded", help="where the crystals come from (default: embedded)")
    command.add_argument("--run", help="name of the folder under runs/ and results/ (default: preset and source)")
    command.add_argument(
        "--shared",
        type=Path,
        default=Path(os.environ.get("ICSG_SHARED", "../shared")),
        help="folder that holds the authors' released weights, if you have it (default: ../shared)",
    )
    command.add_argument("--again", action="store_true", help="run the stage although it is done")


def _shared_out_options(command: argparse.ArgumentParser) -> None:
    _add_run_options(command)
    command.add_argument("--scheduler", metavar="ADDRESS", help="let a Dask cluster do it: tcp://HOST:PORT")


def _generate_options(command: argparse.ArgumentParser) -> None:
    _add_run_options(command)
    target = command.add_mutually_exclusive_group()
    target.add_argument("--base", help="sample around this compound: a formula, an id of the data, or a CIF file")
    target.add_argument("--random", action="store_true", help="sample the whole latent space")
    command.add_argument("--formation-energy", type=float, help="eV/atom; chooses the condition's decile")
    command.add_argument("--count", type=int, help="how many latent vectors to draw")
    command.add_argument(
        "--spread",
        type=float,
        help="standard deviation around the base, or factor of a random draw's (default: the networks': 0.5 and 0.8)",
    )
    command.add_argument(
        "--random-from",
        choices=("encoded", "normal"),
        help="random latents as those of the training crystals lie, or N(0, 1) as in the paper (default: the preset's)",
    )
    command.add_argument("--seed", type=int, help="seed of the draws (default: the preset's)")
    command.add_argument("--elements", metavar="Na,Cl,..", help="atoms may be of these elements only")
    command.add_argument("--out", type=Path, help="folder of CIFs and candidates.csv (default: beside the results)")
    command.add_argument("--weights", type=Path, help="folder of the VAE and UNet (default: weights/generator)")
    command.add_argument(
        "--property-weights",
        type=Path,
        help="folder of property networks, such as weights/cgcnn-improved (default: weights/cgcnn, or the run's own)",
    )
    command.add_argument("--relax", action="store_true", help="relax the listed candidates with CHGNet as well")
    wanted = command.add_argument_group("filters", "list only candidates that are valid and ..")
    wanted.add_argument("--same-stoichiometry", action="store_true", help="have the base's stoichiometry")
    wanted.add_argument("--charge-balanced", action="store_true", help="have oxidation states that add up to zero")
    wanted.add_argument("--novel", action="store_true", help="have a formula that is not in the data")
    wanted.add_argument(
        "--energy-window", type=float, nargs=2, metavar=("LOW", "HIGH"), help="predicted formation energy, eV/atom"
    )
    wanted.add_argument("--unique", action="store_true", help="are unlike all before them (StructureMatcher)")


def _predict_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", type=Path, help="CIF, POSCAR, extended XYZ or table, or a folder of them")
    command.add_argument("--out", type=Path, help="write the CSV to this file instead of the screen")
    command.add_argument("--weights", type=Path, help="folder of networks (default: those that come with the project)")


def _reconstruct_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", type=Path, help="CIF, POSCAR, extended XYZ or table, or a folder of them")
    command.add_argument("--out", type=Path, help="folder of CIFs and reconstruction.csv (default: reconstructed-NAME)")
    command.add_argument("--weights", type=Path, help="folder of networks (default: those that come with the project)")


def _relax_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", type=Path, help="CIF, POSCAR, extended XYZ or table, or a folder of them")
    command.add_argument("--out", type=Path, help="folder of relaxed.csv and CIFs (default: beside PATH, -relaxed)")
    add_options(command)


def _publish_options(command: argparse.ArgumentParser) -> None:
    _add_run_options(command)
    command.add_argument("--to", type=Path, help="folder for the networks (default: in weights)")


_OPTIONS = {
    "voxelize": _shared_out_options,
    "graphs": _shared_out_options,
    "generate": _generate_options,
    "predict": _predict_options,
    "reconstruct": _reconstruct_options,
    "relax": _relax_options,
    "publish": _publish_options,
    "publish-generator": _publish_options,
    "publish-report": _publish_options,
}
COMMANDS = {
    "reconstruct": "encode your own crystals and decode them again: CIFs, and how far each comes out off",
    "predict": "predict eight properties of your own structures, with units, as CSV",
    "relax": "relax your own crystals with CHGNet, or with Quantum ESPRESSO: CIFs, energies, what changed",
    "publish-generator": "copy a run's VAE and UNet into weights/generator, and its evaluation into results/published",
    "publish-report": "copy a run's report, its numbers, figures and crystals, into results/published",
    "publish": "copy a run's property networks into weights/cgcnn, and its Table 1 and Figure 5 beside them",
}


_PUBLISHING = {
    "publish": "repro.properties.publish",
    "publish-generator": "repro.generation.publish",
    "publish-report": "experiments.reporting.publish_report",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 2 with one sentence on what to do."""
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        _run(options)
    except (InputError, OSError) as error:
        return _stop(sentence(error))
    except KeyboardInterrupt:
        return _stop(f"{options.stage} was stopped; the same command goes on from the last completed step.")
    return 0


def _run(options: argparse.Namespace) -> None:
    if options.stage == "predict":
        start_backend()
        import_module("repro.properties.predict").predict_files(options)
        return
    if options.stage == "reconstruct":
        start_backend()
        import_module("repro.generation.reconstruct").reconstruct_files(options)
        return
    if options.stage == "relax":
        import_module("repro.relaxation.relax").relax_files(options)
        return
    if options.stage == "generate" and (options.base or options.random) and not (options.preset or options.run):
        start_backend()
        import_module("repro.generation.generate").generate_published(options)
        return
    options.preset = options.preset or "laptop"
    run = Run(
        preset=PRESETS[options.preset],
        source=options.source,
        name=options.run or default_name(options.preset, options.source),
        shared=options.shared,
    )
    if options.stage in _PUBLISHING:
        start_backend()
        with reading(finished_folders(run)):
            import_module(_PUBLISHING[options.stage]).publish_run(run, options.to)
        return
    run_stage(options.stage, run, options)


def _stop(sentence: str) -> int:
    print(f"\n{sentence}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
