"""The options of ``python -m repro generate``, and the request that they become."""

import argparse
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.errors import InputError
from data_prep.source_names import BASES
from repro.locks import reading
from repro.network_folders import GENERATOR, PROPERTY_NETWORKS
from repro.relaxation.calculation_options import add_relaxation, relaxation_of
from repro.run_options import add_stage_options, run_of
from repro.stages import earlier_stages, identity_of, run_stage

if TYPE_CHECKING:
    from repro.generation.request import Request

COUNT = 100  # candidates that are listed if no number is asked for
_OF_A_SEARCH = (
    "formation_energy", "count", "samples", "known", "distance", "spread", "random_from", "seed", "elements", "out",
    "weights", "property_weights", "relax", "potential", "same_stoichiometry", "charge_balanced", "novel",
    "energy_window", "unique",
)  # fmt: skip


def generate_options(command: argparse.ArgumentParser) -> None:
    """Add the options of ``generate``."""
    add_stage_options(command)
    command.set_defaults(source=None)  # of a run: embedded; of the published networks: their own data
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
        choices=("encoded", "posteriors", "normal"),
        help="random latents as those of the training crystals lie together, N(0, 1) as in the paper, or from the "
        "posterior of one training crystal each (default: the preset's)",
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
    add_relaxation(command, "the listed candidates")
    wanted = command.add_argument_group("filters", "list only candidates that are valid and ..")
    wanted.add_argument("--same-stoichiometry", action="store_true", help="have the base's stoichiometry")
    wanted.add_argument("--charge-balanced", action="store_true", help="have oxidation states that add up to zero")
    wanted.add_argument("--novel", action="store_true", help="have a formula that is not in the data")
    wanted.add_argument(
        "--energy-window", type=float, nargs=2, metavar=("LOW", "HIGH"), help="predicted formation energy, eV/atom"
    )
    wanted.add_argument("--unique", action="store_true", help="are no duplicates of earlier ones (StructureMatcher)")


def generate(options: argparse.Namespace) -> None:
    """Generate crystals around a base or at random, or run the stage of that name."""
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
    given = [name for name in _OF_A_SEARCH if getattr(options, name) not in (None, False)]
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
    relaxation = relaxation_of(options)
    calculator = relaxation.calculator() if relaxation else None  # raises before the sampling
    generation = import_module("repro.generation.generate")
    if not (options.preset or options.run):
        weights, ranking = options.weights or GENERATOR, options.property_weights or PROPERTY_NETWORKS
        generation.generate_published(request, weights, ranking, options.source or BASES, options.out, calculator)
        return
    run = run_of(options)
    if options.seed is None:
        request = replace(request, seed=run.preset.seed)
    needed = earlier_stages("generate", run)
    with reading([run.folder(name) for name in needed]):
        for name in needed:
            identity_of(name, run)  # refuses one that is missing or stale
        generation.generate_of_run(request, run, options.property_weights, options.out, calculator)
