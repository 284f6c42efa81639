"""Trained property networks: one or several for a property, and what they predict."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Element
from threadpoolctl import threadpool_limits

from data_prep.coordination import coordinations
from data_prep.graphs import Graph, pack_batch
from data_prep.property_labels import BAND_GAP, PROPERTIES
from models.forward.cgcnn import CrystalGraphNetwork, distinct_bonds
from models.table6 import CGCNNParameters

ZERO_GAP = 0.05  # eV: a regression is never exactly zero; below this a predicted gap counts as none (F29)
NEEDS_GAP = ("refractive_index", "dielectric_constant")  # NaN if the band gap is zero (Methods; F29)
SPREAD = "formation_energy_spread"  # eV/atom: standard deviation of the networks for formation energy
BATCH = 64  # crystals at once: their bonds stay in the cache


@dataclass(frozen=True)
class Prediction:
    """A property of n crystals in its ``unit``: ``values`` (n,) and, from several networks, their ``spread`` (n,)."""

    values: np.ndarray
    spread: np.ndarray | None


@dataclass(frozen=True)
class PropertyNetworks:
    """Trained networks by property, and what they were trained on.

    ``coordinations`` gives, by atomic number, the numbers of nearest neighbours seen in training.
    """

    by_property: dict[str, list[CrystalGraphNetwork]]
    parameters: CGCNNParameters
    coordinations: dict[int, list[int]]

    def only(self, name: str) -> "PropertyNetworks":
        """Return the networks of one property."""
        return PropertyNetworks({name: self.by_property[name]}, self.parameters, self.coordinations)

    def predict(self, graphs: Sequence[Graph]) -> dict[str, Prediction]:
        """Return every property's prediction in its ``unit``: the mean of its networks, and their standard deviation.

        Without a band gap a crystal has no refractive index and no dielectric constant (F29).
        """
        found = {}
        learned = iter(predict([one for members in self.by_property.values() for one in members], graphs))
        for name, members in self.by_property.items():
            each = np.stack([PROPERTIES[name].physical(next(learned)) for _ in members])
            found[name] = Prediction(each.mean(axis=0), each.std(axis=0, ddof=1) if len(members) > 1 else None)
        if BAND_GAP in found:
            values = np.where(found[BAND_GAP].values < ZERO_GAP, 0.0, found[BAND_GAP].values)
            found[BAND_GAP] = Prediction(values, found[BAND_GAP].spread)
            for name in NEEDS_GAP:
                if name in found:
                    found[name] = Prediction(np.where(values > 0, found[name].values, np.nan), found[name].spread)
        return found

    def unseen(self, graph: Graph) -> str:
        """Return which elements or neighbours of a crystal were not in the training, as a sentence, or ""."""
        parts = []
        for z, count in sorted(coordinations(graph)):
            symbol = Element.from_Z(z).symbol
            if z not in self.coordinations:
                parts.append(f"{symbol} was never seen in training")
            elif count not in self.coordinations[z]:
                parts.append(f"{symbol} with {count} nearest neighbours was never seen in training")
        return "; ".join(dict.fromkeys(parts))


def predict(networks: Sequence[CrystalGraphNetwork], graphs: Sequence[Graph]) -> np.ndarray:
    """Return the values (k, n) of k networks of one size for n crystals, as the networks learn them.

    Many crystals are shared out over the cores, a core a batch: small matrices are slower on several.
    """
    p = networks[0].parameters

    def of_batch(start: int) -> list[np.ndarray]:
        batch = pack_batch(graphs[start : start + BATCH], multiple=1)
        bonds = distinct_bonds(batch, p.radius, p.gaussian_step)
        return [network(bonds) for network in networks]

    starts = range(0, len(graphs), BATCH)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(min(len(starts), os.cpu_count() or 1)) as threads:
        return np.concatenate(list(threads.map(of_batch, starts)), axis=1)
