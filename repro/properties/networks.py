"""Trained property networks: one or several for a property, and what they predict."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from pymatgen.core import Element

from data_prep.coordination import coordinations
from data_prep.element_features import element_features
from data_prep.graphs import Graph, pack_batch
from data_prep.property_labels import BAND_GAP, PROPERTIES
from models.cgcnn import build_cgcnn
from models.table6 import CGCNNParameters
from repro.training.fit import load_weights

ZERO_GAP = 0.05  # eV: a regression is never exactly zero; below this a predicted gap counts as none (F29)
NEEDS_GAP = ("refractive_index", "dielectric_constant")  # NaN if the band gap is zero (Methods; F29)
SPREAD = "formation_energy_spread"  # eV/atom: standard deviation of the networks for formation energy
BATCH = 256


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

    by_property: dict[str, list[keras.Model]]
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
        for name, members in self.by_property.items():
            each = np.stack([PROPERTIES[name].physical(predict(model, graphs)) for model in members])
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


def load_network(parameters: CGCNNParameters, path: Path) -> keras.Model:
    """Return the network whose weights are in ``path``; raises InputError when they are missing or do not fit."""
    model = build_cgcnn(parameters, element_features())
    load_weights(model, path)
    return model


def predict(model: keras.Model, graphs: Sequence[Graph], batch_size: int = BATCH) -> np.ndarray:
    """Return the network's values (n,) as it learns them."""
    values = []
    for start in range(0, len(graphs), batch_size):
        answers = model(pack_batch(graphs[start : start + batch_size]), training=False)
        values.append(keras.ops.convert_to_numpy(answers)[:, 0])
    return np.concatenate(values)
