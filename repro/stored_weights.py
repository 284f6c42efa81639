"""The weights of trained networks as arrays by layer, from Keras' files or from Keras' models."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import h5py
import numpy as np

from data_prep.errors import InputError
from models.forward.layers import LayerArrays

if TYPE_CHECKING:
    import keras

Network = TypeVar("Network")


def read_network(path: Path, build: Callable[[LayerArrays], Network], part: str = "") -> Network:
    """Return what ``build`` makes of the layers' arrays in a ``.weights.h5`` file, or of one ``part`` (a sub-model).

    Raises InputError naming the file when it is missing, damaged or not of this network.
    """
    try:
        with h5py.File(path, "r") as file:
            return build(_arrays(file[part] if part else file))
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{path} cannot be loaded ({reason}): it is missing, damaged or of another configuration; "
            "make its folder anew, or give another."
        ) from error


def _arrays(group: h5py.Group) -> LayerArrays:
    """Return the arrays of the layers of a model: a group each, whose ``vars`` has the layer's name."""
    found = {}
    for layer in group["layers"].values():
        stored = layer["vars"]
        if len(stored):
            found[stored.attrs["name"]] = tuple(stored[str(place)][()] for place in range(len(stored)))
    return found


def weights_of(model: "keras.Model") -> LayerArrays:
    """Return the arrays of a model's layers."""
    return {layer.name: tuple(map(np.asarray, layer.get_weights())) for layer in model.layers if layer.weights}
