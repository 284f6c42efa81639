"""Trained property networks: one or several for a property, and what they predict."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from pymatgen.core import Element
from threadpoolctl import threadpool_limits

from data_prep.coordination import coordinations
from data_prep.crystal import family_of
from data_prep.graphs import Graph, formula_of, pack_batch
from data_prep.property_labels import BAND_GAP, PROPERTIES
from models.forward.cgcnn import CrystalGraphNetwork, distinct_bonds
from models.table6 import CGCNNParameters
from repro.properties.prediction_widths import PropertyWidths, interval

ZERO_GAP = 0.05  # eV: a regression is never exactly zero; below this a predicted gap counts as none (F29)
NEEDS_GAP = ("refractive_index", "dielectric_constant")  # NaN if the band gap is zero (Methods; F29)
SPREAD = "formation_energy_spread"  # eV/atom: standard deviation of the networks for formation energy
BATCH = 64  # crystals at once: their bonds stay in the cache


@dataclass(frozen=True)
class Prediction:
    """A property of n crystals in its ``unit``, arrays (n,).

    ``spread`` is the standard deviation of several networks, None if there is one. ``low`` and ``high`` bound the 90 %
    interval and ``width`` is the calibrated standard deviation in the unit that the network learns, a relative error
    if that is a logarithm; None if the networks were never calibrated.
    """

    values: np.ndarray
    spread: np.ndarray | None = None
    width: np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None


@dataclass(frozen=True)
class PropertyNetworks:
    """Trained networks by property, and what they were trained on.

    ``coordinations`` gives, by atomic number, the numbers of nearest neighbours seen in training; ``widths``, by
    property, how far predictions may be off.
    """

    by_property: dict[str, list[CrystalGraphNetwork]]
    parameters: CGCNNParameters
    coordinations: dict[int, list[int]]
    widths: dict[str, PropertyWidths] = field(default_factory=dict)

    def only(self, name: str) -> "PropertyNetworks":
        """Return the networks of one property."""
        return replace(self, by_property={name: self.by_property[name]})

    def as_learned(self, name: str, graphs: Sequence[Graph]) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean (n,) of a property's networks in the unit they learn, and their standard deviation (n,)."""
        return _over_members(predict(self.by_property[name], graphs))

    def predict(self, graphs: Sequence[Graph]) -> dict[str, Prediction]:
        """Return every property's prediction with its 90 % interval.

        Without a band gap a crystal has no refractive index and no dielectric constant (F29).
        """
        of_widths = graphs if self.widths else ()
        families = [family_of(formula_of(graph)) for graph in of_widths]
        unseen = np.array([bool(self.unseen(graph)) for graph in of_widths])
        found = {}
        learned = iter(predict([one for members in self.by_property.values() for one in members], graphs))
        for name, members in self.by_property.items():
            mean, spread = _over_members([next(learned) for _ in members])
            found[name] = Prediction(PROPERTIES[name].physical(mean), spread if len(members) > 1 else None)
            if name in self.widths:
                width = self.widths[name].of(mean, spread, families, unseen)
                low, high = (_bound(name, one) for one in interval(mean, width))
                found[name] = replace(found[name], width=width, low=low, high=high)
        return _without_gap(found)

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


def _bound(name: str, learned: np.ndarray) -> np.ndarray:
    """Return a bound of an interval in the property's unit, within its physical range."""
    return np.clip(PROPERTIES[name].physical(learned), *PROPERTIES[name].range)


def _without_gap(found: dict[str, Prediction]) -> dict[str, Prediction]:
    """Return predictions in which a gap that is none is 0, and what needs a gap is NaN if there is none (F29)."""
    if BAND_GAP not in found:
        return found
    gap = found[BAND_GAP].values >= ZERO_GAP
    zeroed = {BAND_GAP: replace(found[BAND_GAP], values=np.where(gap, found[BAND_GAP].values, 0.0))}
    for name in NEEDS_GAP:
        if name in found:
            given = {key: getattr(found[name], key) for key in ("values", "low", "high")}
            blank = {key: np.where(gap, one, np.nan) for key, one in given.items() if one is not None}
            zeroed[name] = replace(found[name], **blank)
    return found | zeroed


def _over_members(each: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (n,) of several networks' values and their standard deviation (n,), 0 for a single network."""
    return np.mean(each, axis=0), np.std(each, axis=0, ddof=1) if len(each) > 1 else np.zeros(len(each[0]))


def predict(networks: Sequence[CrystalGraphNetwork], graphs: Sequence[Graph]) -> np.ndarray:
    """Return the values (k, n) of k networks of one size for n crystals, as the networks learn them.

    Many crystals are shared out over the cores, a core a batch: small matrices are slower on several.
    """
    if not graphs:
        return np.empty((len(networks), 0))
    p = networks[0].parameters

    def of_batch(start: int) -> list[np.ndarray]:
        batch = pack_batch(graphs[start : start + BATCH], multiple=1)
        bonds = distinct_bonds(batch, p.radius, p.gaussian_step)
        return [network(bonds) for network in networks]

    starts = range(0, len(graphs), BATCH)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(min(len(starts), os.cpu_count() or 1)) as threads:
        return np.concatenate(list(threads.map(of_batch, starts)), axis=1)
