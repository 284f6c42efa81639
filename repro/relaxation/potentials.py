"""The neural network potentials that stand in for DFT, as ASE calculators: CHGNet and SevenNet.

Both were fitted to the Materials Project's energies, CHGNet with its corrections of 2020, SevenNet without any. What
comes with each package is enough: nothing is downloaded.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from data_prep.errors import InputError

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

SEVENNET_MODEL = "7net-l3i5"  # its weights are in the package
CORRECTIONS, NONE = "corrections", "none"  # of a method: its energies are uncorrected


@dataclass(frozen=True)
class LabelError:
    """How far relaxed formation energies lie from labels of 2019: their mean, and 90 % are within ``half_width`` of it.

    eV/atom, measured by ``make surrogate-error``: ``label_error`` of its groups (results/published).
    """

    mean: float
    half_width: float


@dataclass(frozen=True)
class Potential:
    """A potential: its name, how to load it on the CPU with one thread, and the versions its numbers depend on.

    ``label_errors`` by family, and of ``all``; empty if they were not measured.
    """

    title: str
    load: Callable[[], Calculator]
    versions: Callable[[], dict[str, str]]
    label_errors: Mapping[str, LabelError] = field(default_factory=dict)

    def label_error(self, family: str) -> LabelError | None:
        """Return the error for crystals of a family, or of all if it is another one; None if not measured."""
        return self.label_errors.get(family, self.label_errors.get("all"))


@cache
def load_chgnet() -> Calculator:
    """Return CHGNet, loaded once per process; raises InputError if it is not installed."""
    from data_prep.embedded.chgnet_model import load_model

    try:
        model = load_model()
    except InputError as error:
        raise InputError(f"{error.__cause__}: run 'make surrogate' once, or choose DFT.") from error
    from chgnet.model.dynamics import CHGNetCalculator

    with contextlib.redirect_stdout(io.StringIO()):
        return CHGNetCalculator(model=model, use_device="cpu", on_isolated_atoms="ignore")


def chgnet_versions() -> dict[str, str]:
    """Return the versions on which CHGNet's numbers depend; raises InputError if it is not installed."""
    from data_prep.embedded import chgnet_model

    return chgnet_model.versions(load_chgnet().model)


@cache
def load_sevennet() -> Calculator:
    """Return SevenNet, loaded once per process; raises InputError if it is not installed."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            import torch
            from sevenn.calculator import SevenNetCalculator
        except ImportError as error:
            raise InputError(f"{error}: run 'make sevennet' once, or choose --potential chgnet.") from error
        torch.set_num_threads(1)
        return SevenNetCalculator(SEVENNET_MODEL, device="cpu")


def sevennet_versions() -> dict[str, str]:
    """Return the versions on which SevenNet's numbers depend; raises InputError if it is not installed."""
    load_sevennet()
    packages = ("sevenn", "e3nn", "torch", "pymatgen", "ase", "numpy")
    versions = {name: metadata.version(name) for name in packages}
    return {"sevennet_weights": SEVENNET_MODEL, CORRECTIONS: NONE, **versions}


CHGNET_ERRORS = {  # on 200 crystals
    "all": LabelError(-0.0608, 0.128),
    "AB": LabelError(-0.0367, 0.181),
    "ABX3": LabelError(-0.0956, 0.157),
    "ABX2": LabelError(-0.0500, 0.080),
}
SEVENNET_ERRORS = {  # on 43 crystals; AB and ABX2, of which alone 0.014 would do, take the number of all
    "all": LabelError(-0.0095, 0.024),
    "ABX3": LabelError(-0.0042, 0.096),  # on 14, two of them more than 0.1 off: a rough number
}
POTENTIALS = {
    "chgnet": Potential("CHGNet", load_chgnet, chgnet_versions, CHGNET_ERRORS),
    "sevennet": Potential("SevenNet", load_sevennet, sevennet_versions, SEVENNET_ERRORS),
}
