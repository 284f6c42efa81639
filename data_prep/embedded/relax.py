"""Relax the candidates' lattice constants and the elements with CHGNet, a surrogate for DFT.

Only ``load_model`` and ``relax_element`` need CHGNet and torch; they are imported there, so that the
table can be read, and everything else tested, without them.
"""

import contextlib
import io
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

import numpy as np
from pymatgen.core import Structure

from data_prep.embedded.candidates import Candidate
from data_prep.embedded.eos import DEFAULT_SEARCH, Minimum, NoMinimum, Search, SearchSettings, search_minimum
from data_prep.embedded.prototypes import PROTOTYPES
from data_prep.errors import InputError

EnergyFunction = Callable[[list[Structure]], np.ndarray]

# A record is refused outside these bounds; the reason is counted in the data card.
LARGEST_MISFIT = 0.005  # eV/atom, rms of the fit
LARGEST_PRESSURE = 0.2  # GPa left after the Newton steps; the median is below 0.02
BULK_MODULUS = (1.0, 600.0)  # GPa
A_OVER_GUESS = (0.75, 1.40)
FORMATION_ENERGY = (-6.0, 2.0)  # eV/atom


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


def relax_candidates(
    candidates: Sequence[Candidate], energies: EnergyFunction, settings: SearchSettings = DEFAULT_SEARCH
) -> dict[str, Minimum | str]:
    """Return for each candidate's id its ``Minimum``, or the reason why there is none.

    The searches advance together, so that one call of ``energies`` serves all of them.
    """
    results: dict[str, Minimum | str] = {}
    searches: dict[str, Search] = {}
    wanted: dict[str, np.ndarray] = {}
    by_id = {candidate.id: candidate for candidate in candidates}
    for candidate in candidates:
        prototype = PROTOTYPES[candidate.prototype]
        guess, shortest = prototype.guess(candidate.species), prototype.shortest_distance(1.0)
        search = search_minimum(guess, prototype.sites_per_cube, shortest, settings)
        searches[candidate.id] = search
        _advance(candidate.id, search, None, wanted, results)
    while wanted:
        asked, wanted = wanted, {}
        structures = [
            PROTOTYPES[by_id[id].prototype].structure(by_id[id].species, a) for id in asked for a in asked[id]
        ]
        answers = np.split(energies(structures), np.cumsum([len(points) for points in asked.values()])[:-1])
        for id, answer in zip(asked, answers, strict=True):
            _advance(id, searches[id], answer, wanted, results)
    return results


def _advance(id: str, search: Search, answer: np.ndarray | None, wanted: dict, results: dict) -> None:
    """Send one answer to a search, and file what it asks for next or how it ended."""
    try:
        wanted[id] = search.send(answer)
    except StopIteration as finished:
        results[id] = finished.value
    except NoMinimum as reason:
        results[id] = str(reason)


def formation_energy(candidate: Candidate, energy: float, elements: dict[str, float]) -> float:
    """Return the formation energy (eV/atom) from the energy and those of the elements (eV/atom)."""
    counts = Counter(candidate.species)
    reference = sum(elements[symbol] * count for symbol, count in counts.items())
    return energy - reference / len(candidate.species)


def refusal(candidate: Candidate, minimum: Minimum, formation: float) -> str | None:
    """Return the reason for which a relaxed candidate is left out, None when it is kept."""
    prototype = PROTOTYPES[candidate.prototype]
    ratio = minimum.a / prototype.guess(candidate.species)
    if not A_OVER_GUESS[0] <= ratio <= A_OVER_GUESS[1] or prototype.shortest_distance(minimum.a) < 1.0:
        return "unphysical lattice constant"
    if minimum.fit.misfit > LARGEST_MISFIT:
        return "fit misses the energies"
    if not BULK_MODULUS[0] <= minimum.fit.bulk_modulus <= BULK_MODULUS[1]:
        return "unphysical bulk modulus"
    if minimum.residual_pressure > LARGEST_PRESSURE:
        return "pressure left at the minimum"
    if not FORMATION_ENERGY[0] <= formation <= FORMATION_ENERGY[1]:
        return "absurd formation energy"
    return None


def record(candidate: Candidate, minimum: Minimum, formation: float) -> dict[str, Any]:
    """Return the table row of a kept candidate: columns and units are those of DATA_CARD.md."""
    prototype = PROTOTYPES[candidate.prototype]
    edge = round(prototype.edge * minimum.a, 5)
    return {
        "id": candidate.id,
        "formula": candidate.formula,
        "family": candidate.family,
        "prototype": candidate.prototype,
        "chemistry": candidate.chemistry,
        "spacegroup": prototype.spacegroup,
        "a_conv": round(minimum.a, 5),
        "nsites": len(candidate.species),
        **dict.fromkeys(("a", "b", "c"), edge),
        **dict.fromkeys(("alpha", "beta", "gamma"), prototype.angle),
        "species": " ".join(candidate.species),
        "frac": " ".join(f"{x:.2f}" for site in prototype.fractional for x in site),
        "formation_energy_per_atom": round(formation, 5),
        "bulk_modulus_eos": round(minimum.fit.bulk_modulus, 2),
        "convergence": round(minimum.residual_pressure, 4),
    }
