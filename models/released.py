"""Reads the authors' released Cond-DFC-VAE and UNet weights into our networks (FINDINGS F12, F13, F20).

The files are Keras 2.3 HDF5: a group per layer or sub-model whose ``weight_names`` attribute lists
the arrays in creation order, trainable ones first.
"""

from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np

from models.table6 import UNetParameters, VAEParameters
from models.unet import build_unet
from models.vae import build_decoder, build_encoder
from models.weights_error import WeightsError

RELEASED_VAE = replace(VAEParameters(), condition_copies=4)  # F12: 44 input channels


def load_released_vae(path: Path) -> tuple[keras.Model, keras.Model]:
    """Return encoder and decoder with the authors' weights (``vae_weights_mixed.best.hdf5``).

    Raises WeightsError when the file is unreadable or an array does not fit.
    """
    encoder, decoder = build_encoder(RELEASED_VAE), build_decoder(RELEASED_VAE)
    with _open(path) as file:
        for name, model in (("encoder", encoder), ("decoder", decoder)):
            if name not in file:
                raise WeightsError(f"{path} has no group '{name}': it is not the authors' VAE weight file.")
            _assign(model, _arrays(file[name]), path)
    return encoder, decoder


def load_released_unet(path: Path) -> keras.Model:
    """Return the full UNet with the authors' weights, for the user who has the lost file (F20).

    Raises WeightsError when the file is unreadable or an array does not fit.
    """
    unet = build_unet(UNetParameters())
    with _open(path) as file:
        root = file.get("model_weights", file)
        layers = [key.decode() if isinstance(key, bytes) else key for key in root.attrs.get("layer_names", [])]
        arrays = [array for name in layers for array in _arrays(root[name])]
        trainable = [array for name, array in arrays if "moving_" not in name]
        moving = [array for name, array in arrays if "moving_" in name]
        names = [name for name, _ in arrays if "moving_" not in name] + ["moving"] * len(moving)
        _assign(unet, list(zip(names, trainable + moving, strict=True)), path)
    return unet


def _open(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise WeightsError(f"{path} cannot be read as an HDF5 weight file: {error}.") from error


def _arrays(group: h5py.Group) -> list[tuple[str, np.ndarray]]:
    """Return (name, array) in the order of creation."""
    names = [name.decode() if isinstance(name, bytes) else name for name in group.attrs["weight_names"]]
    return [(name, np.asarray(group[name])) for name in names]


def _assign(model: keras.Model, arrays: list[tuple[str, np.ndarray]], path: Path) -> None:
    """Set the model's weights from arrays in Keras 2 order: trainable in layer order, then moving statistics."""
    variables = model.trainable_variables + model.non_trainable_variables
    if len(arrays) != len(variables):
        raise WeightsError(f"{path} holds {len(arrays)} arrays for '{model.name}', {len(variables)} are needed.")
    for variable, (name, array) in zip(variables, arrays, strict=True):
        if tuple(variable.shape) != array.shape:
            raise WeightsError(
                f"{path}: array '{name}' has shape {array.shape}, '{variable.path}' needs {tuple(variable.shape)}."
            )
    for variable, (_, array) in zip(variables, arrays, strict=True):
        variable.assign(array)
