"""The options of every command that relaxes structures. The calculations are imported only if they are asked for."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.errors import InputError
from repro.relaxation.potentials import POTENTIALS

if TYPE_CHECKING:
    from repro.relaxation.calculator import Calculator

STORE = Path("runs") / "calculations"


@dataclass(frozen=True)
class CalculationOptions:
    """How structures are to be relaxed, by default with CHGNet on all cores; None takes a method's own default.

    ``potential`` is a key of ``POTENTIALS``. ``dft`` chooses Quantum ESPRESSO, for which ``pseudo_dir`` to ``pw`` are;
    ``cutoff`` in Ry, ``k_spacing`` in 1/Å; ``usual_d2`` counts if ``d2`` is None. ``seconds`` limits each structure (of
    a potential: CPU time). ``workers`` jobs run at a time, 0 for this process; ``parsl`` is a configuration of Parsl;
    ``store`` keeps finished calculations.
    """

    potential: str | None = None
    dft: bool = False
    pseudo_dir: Path | None = None
    cutoff: float | None = None
    d2: bool | None = None
    usual_d2: bool = True
    k_spacing: float | None = None
    pw: str | None = None
    seconds: float | None = None
    workers: int | None = None
    parsl: Path | None = None
    store: Path = STORE

    def calculator(self) -> Calculator:
        """Return the method, pool and store; raises InputError if the options do not fit or a program is missing."""
        from repro.relaxation.calculation_store import Store
        from repro.relaxation.calculator import Calculator
        from repro.relaxation.espresso import Dft
        from repro.relaxation.surrogate import Surrogate

        self._check_numbers()
        only_dft = {"cutoff": self.cutoff, "spacing": self.k_spacing, "command": self.pw, "d2": self.d2}
        given = {name: value for name, value in only_dft.items() if value is not None}
        seconds = {} if self.seconds is None else {"seconds": self.seconds}
        if self.dft:
            if self.potential:
                raise InputError(f"--potential {self.potential} and --dft are two methods: leave one of them out.")
            if self.pseudo_dir is None:
                raise InputError("--dft needs --pseudo-dir FOLDER with a UPF pseudopotential for each element.")
            method = Dft(str(self.pseudo_dir), **{"d2": self.usual_d2} | given, **seconds).ready()
        else:
            if given or self.pseudo_dir:
                raise InputError(
                    "--pseudo-dir, --cutoff, --k-spacing, --pw and --d2 are for DFT: add --dft, or leave them out."
                )
            method = Surrogate(**seconds, **{"potential": self.potential} if self.potential else {})
            method.method()  # raises if the potential is not installed
        return Calculator(method, Store(self.store), self.workers, self.parsl)

    def _check_numbers(self) -> None:
        """Raise InputError for a number that no calculation can be made with."""
        if self.workers is not None and self.workers < 0:
            raise InputError(f"--workers {self.workers}: give the number of jobs at a time, 0 for this process.")
        for option, value in (("cutoff", self.cutoff), ("k-spacing", self.k_spacing), ("seconds", self.seconds)):
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"--{option} {value:g}: give a number above 0.")
        if self.parsl and self.workers:
            raise InputError(f"--workers {self.workers} and --parsl: {self.parsl} says how many jobs run at a time.")


def add_options(parser: argparse.ArgumentParser, d2: bool = True) -> None:
    """Add the options of method, pool and store to a command; ``d2`` is the command's default."""
    usual = "with" if d2 else "without"
    group = parser.add_argument_group("calculations")
    _add_potential(group)
    group.add_argument("--dft", action="store_true", help="Quantum ESPRESSO instead of a potential; needs --pseudo-dir")
    group.add_argument("--pseudo-dir", type=Path, metavar="FOLDER", help="your UPF pseudopotentials, one per element")
    group.add_argument("--cutoff", type=float, metavar="RY", help="for pseudopotentials without a known cutoff")
    group.add_argument(
        "--d2",
        action=argparse.BooleanOptionalAction,
        help=f"with or without Grimme's D2, in compounds and elements (default: {usual})",
    )
    parser.set_defaults(usual_d2=d2)
    group.add_argument("--k-spacing", type=float, metavar="K", help="between k-points, 1/Å (default: 0.3)")
    group.add_argument("--pw", metavar="COMMAND", help="how pw.x is started (default: pw.x)")
    group.add_argument("--seconds", type=float, help="limit of a structure (potential: CPU time, 120; pw.x: a day)")
    group.add_argument("--workers", type=int, help="jobs at a time (default: one per core; 0: in this process)")
    group.add_argument("--parsl", type=Path, metavar="FILE", help="Parsl configuration, e.g. for a cluster")
    group.add_argument("--store", type=Path, default=STORE, help=f"finished calculations (default: {STORE})")


def add_relaxation(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--relax`` and ``--potential`` to a command that can relax ``what`` (plural) beside its other work."""
    parser.add_argument("--relax", action="store_true", help=f"relax {what} as well")
    _add_potential(parser)


def _add_potential(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    parser.add_argument("--potential", choices=POTENTIALS, help="relax with this network potential (default: chgnet)")


def relaxation_of(parsed: argparse.Namespace) -> CalculationOptions | None:
    """Return how a command with ``add_relaxation`` relaxes, None if it does not.

    Raises InputError for a potential without ``--relax``.
    """
    if parsed.potential and not parsed.relax:
        raise InputError(f"--potential {parsed.potential} is for relaxing: add --relax, or leave it out.")
    return CalculationOptions(potential=parsed.potential) if parsed.relax else None


def chosen_options(parsed: argparse.Namespace) -> CalculationOptions:
    """Return what a parser with ``add_options`` read."""
    return CalculationOptions(**{field.name: getattr(parsed, field.name) for field in fields(CalculationOptions)})


def calculator_of(parsed: argparse.Namespace) -> Calculator:
    """Return the calculator that a parser with ``add_options`` read; raises InputError as ``calculator`` does."""
    return chosen_options(parsed).calculator()
