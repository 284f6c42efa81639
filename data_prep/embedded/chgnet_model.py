"""CHGNet, a neural network potential, as the source of energies: a surrogate for DFT.

CHGNet and torch are imported inside the functions, so that the table can be read without them.
"""

import contextlib
import io
import warnings
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
from pymatgen.core import Structure

from data_prep.errors import InputError

EnergyFunction = Callable[[list[Structure]], np.ndarray]


def load_model(threads: int = 1) -> Any:
    """Return the pretrained CHGNet on the CPU, without its messages.

    Raises ``InputError`` when CHGNet or torch is not installed.
    """
    try:
        import torch
        from chgnet.model import CHGNet
    except ImportError as error:
        raise InputError(
            f"CHGNet cannot be imported ({error}): install it with pip install -e '.[embedded-data]'."
        ) from error
    torch.set_num_threads(threads)
    with contextlib.redirect_stdout(io.StringIO()):
        # Without gradients of the weights the forces and stresses of relax_element cost less.
        return CHGNet.load(use_device="cpu", verbose=False).requires_grad_(False)


def versions(model: Any) -> dict[str, str]:
    """Return the versions on which the numbers depend."""
    packages = ("chgnet", "torch", "pymatgen", "ase", "numpy")
    return {"chgnet_weights": model.version, **{name: metadata.version(name) for name in packages}}


def energy_function(model: Any, batch_size: int = 64) -> EnergyFunction:
    """Return a function from structures to energies (n,) in eV/atom: CHGNet's, many per forward pass.

    CHGNet was trained on Materials Project GGA/GGA+U energies after the MaterialsProject2020
    corrections; its energies therefore contain them (chgnet README, note 2).
    """
    import torch

    def energies(structures: list[Structure]) -> np.ndarray:
        graphs = [model.graph_converter(structure) for structure in structures]
        with torch.no_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Converting a tensor with requires_grad=True")
            batches = [
                model.forward(graphs[start : start + batch_size], task="e")["e"]
                for start in range(0, len(graphs), batch_size)
            ]
        return torch.cat(batches).numpy().astype(float)

    return energies


def relax_element(model: Any, structure: Structure, relax_cell: bool = True) -> float:
    """Return the energy (eV/atom) of an element after CHGNet relaxed its atoms and, if asked, its cell."""
    from chgnet.model import StructOptimizer

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        # FIRE: the quasi-Newton optimizers were seen to collapse loosely bound cells.
        optimizer = StructOptimizer(model=model, optimizer_class="FIRE", use_device="cpu")
        result = optimizer.relax(structure, fmax=0.05, steps=200, relax_cell=relax_cell, verbose=False)
    return float(result["trajectory"].energies[-1]) / len(structure)
