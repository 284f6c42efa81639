"""The options that every command with calculations has."""

import argparse
from pathlib import Path

from data_prep.errors import InputError
from repro.calculations.espresso import Dft
from repro.calculations.references import Calculator
from repro.calculations.store import Store
from repro.calculations.surrogate import Surrogate

STORE = Path("runs") / "calculations"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of method, pool and store."""
    group = parser.add_argument_group("calculations")
    group.add_argument("--dft", action="store_true", help="Quantum ESPRESSO instead of CHGNet; needs --pseudo-dir")
    group.add_argument("--pseudo-dir", type=Path, metavar="FOLDER", help="your UPF pseudopotentials, one per element")
    group.add_argument("--cutoff", type=float, metavar="RY", help="for pseudopotentials that bring no hint")
    group.add_argument("--no-d2", action="store_true", help="without Grimme's D2, in compounds and elements")
    group.add_argument("--k-spacing", type=float, default=Dft.spacing, help=f"1/Å (default: {Dft.spacing})")
    group.add_argument("--pw", default=Dft.command, metavar="COMMAND", help="how pw.x is started (default: pw.x)")
    group.add_argument("--seconds", type=float, help="time limit of a structure (CHGNet: CPU time; default 120, a day)")
    group.add_argument("--workers", type=int, help="jobs at a time (default: one per core; 0: in this process)")
    group.add_argument("--parsl", type=Path, metavar="FILE", help="Parsl configuration, e.g. for a cluster")
    group.add_argument("--store", type=Path, default=STORE, help=f"finished calculations (default: {STORE})")


def calculator_of(options: argparse.Namespace) -> Calculator:
    """Return the method, pool and store that the options name; raises InputError where they do not fit."""
    seconds = {} if options.seconds is None else {"seconds": options.seconds}
    if options.pseudo_dir and not options.dft:
        raise InputError("--pseudo-dir is for DFT: add --dft, or leave it out for the surrogate.")
    if options.workers is not None and options.workers < 0:
        raise InputError(f"--workers {options.workers}: give the number of jobs at a time, 0 for this process.")
    if options.dft:
        if options.pseudo_dir is None:
            raise InputError("--dft needs --pseudo-dir FOLDER with a UPF pseudopotential for each element.")
        method = Dft(
            str(options.pseudo_dir), not options.no_d2, options.cutoff, options.k_spacing, command=options.pw, **seconds
        ).ready()
    else:
        method = Surrogate(**seconds)
        method.method()  # the extra is there
    return Calculator(method, Store(options.store), options.workers, options.parsl)
