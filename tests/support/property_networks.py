"""Keras' property networks as those that predict."""

from collections.abc import Mapping, Sequence

import keras

from models.forward.cgcnn import CrystalGraphNetwork
from models.table6 import CGCNNParameters
from repro.properties.networks import PropertyNetworks
from repro.stored_weights import weights_of


def predicting(
    models: Mapping[str, Sequence[keras.Model]],
    parameters: CGCNNParameters,
    coordinations: Mapping[int, Sequence[int]] | None = None,
) -> PropertyNetworks:
    """Return the networks of each property with the weights of ``models``."""
    networks = {
        name: [CrystalGraphNetwork(parameters, weights_of(model)) for model in members]
        for name, members in models.items()
    }
    return PropertyNetworks(networks, parameters, dict(coordinations or {}))
