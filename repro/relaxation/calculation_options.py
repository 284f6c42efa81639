"""The options that every command with calculations has; it imports the calculations only when they are asked for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.errors import InputError

if TYPE_CHECKING:
    from repro.relaxation.calculator import Calculator

STORE = Path("runs") / "calculations"


def add_options(parser: argparse.ArgumentParser, d2: bool = True) -> None:
    """Add the options of method, pool and store; ``d2`` is the command's default."""
    usual = "with" if d2 else "without"
    group = parser.add_argument_group("calculations")
    group.add_argument("--dft", action="store_true", help="Quantum ESPRESSO instead of CHGNet; needs --pseudo-dir")
    group.add_argument("--pseudo-dir", type=Path, metavar="FOLDER", help="your UPF pseudopotentials, one per element")
    group.add_argument("--cutoff", type=float, metavar="RY", help="for pseudopotentials that bring no hint")
    group.add_argument(
        "--d2",
        action=argparse.BooleanOptionalAction,
        help=f"with or without Grimme's D2, in compounds and elements (default: {usual})",
    )
    parser.set_defaults(usual_d2=d2)
    group.add_argument("--k-spacing", type=float, metavar="K", help="between k-points, 1/Å (default: 0.3)")
    group.add_argument("--pw", metavar="COMMAND", help="how pw.x is started (default: pw.x)")
    group.add_argument("--seconds", type=float, help="limit of a structure (CHGNet: CPU time, 120; pw.x: a day)")
    group.add_argument("--workers", type=int, help="jobs at a time (default: one per core; 0: in this process)")
    group.add_argument("--parsl", type=Path, metavar="FILE", help="Parsl configuration, e.g. for a cluster")
    group.add_argument("--store", type=Path, default=STORE, help=f"finished calculations (default: {STORE})")


def calculator_of(options: argparse.Namespace) -> Calculator:
    """Return the method, pool and store that the options name; raises InputError where they do not fit."""
    from repro.relaxation.calculation_store import Store
    from repro.relaxation.calculator import Calculator
    from repro.relaxation.chgnet import Surrogate
    from repro.relaxation.espresso import Dft

    if options.workers is not None and options.workers < 0:
        raise InputError(f"--workers {options.workers}: give the number of jobs at a time, 0 for this process.")
    only_dft = {"cutoff": options.cutoff, "spacing": options.k_spacing, "command": options.pw, "d2": options.d2}
    given = {name: value for name, value in only_dft.items() if value is not None}
    seconds = {} if options.seconds is None else {"seconds": options.seconds}
    if options.dft:
        if options.pseudo_dir is None:
            raise InputError("--dft needs --pseudo-dir FOLDER with a UPF pseudopotential for each element.")
        method = Dft(str(options.pseudo_dir), **{"d2": options.usual_d2} | given, **seconds).ready()
    else:
        if given or options.pseudo_dir:
            raise InputError(
                "--pseudo-dir, --cutoff, --k-spacing, --pw and --d2 are for DFT: add --dft, or leave them out."
            )
        method = Surrogate(**seconds)
        method.method()  # the extra is there
    return Calculator(method, Store(options.store), options.workers, options.parsl)


def usual_calculator() -> Calculator:
    """Return the surrogate with every option at its default."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    return calculator_of(parser.parse_args([]))
