"""Reads the authors' released Cond-DFC-VAE and UNet weights into our networks (F12, F13, F20).

The files are Keras 2.3 HDF5: a group per layer or sub-model whose ``weight_names`` attribute lists its
arrays. A sub-model (the VAE's encoder and decoder) lists its trainable arrays in layer order, then the
moving statistics; a layer lists kernel, bias or gamma, beta, moving mean, moving variance.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np

from data_prep.errors import InputError
from models.table6 import UNetParameters, VAEParameters
from models.unet import build_unet
from models.vae import build_decoder, build_encoder

RELEASED_VAE = replace(VAEParameters(), condition_copies=4)  # F12: 44 input channels
RELEASED_UNET = UNetParameters()  # F20


def load_released_vae(path: Path) -> tuple[keras.Model, keras.Model]:
    """Return encoder and decoder with the authors' weights (``vae_weights_mixed.best.hdf5``).

    Raises InputError if the file is unreadable or an array does not fit.
    """
    encoder, decoder = build_encoder(RELEASED_VAE), build_decoder(RELEASED_VAE)
    with _open(path) as file:
        for name, model in (("encoder", encoder), ("decoder", decoder)):
            if name not in file:
                raise InputError(f"{path} has no group '{name}': it is not the authors' VAE weight file.")
            variables = model.trainable_variables + model.non_trainable_variables
            _assign(variables, _arrays(file[name]), f"the {name}", path)
    return encoder, decoder


def load_released_unet(path: Path, parameters: UNetParameters = RELEASED_UNET) -> keras.Model:
    """Return the full UNet with the authors' weights, for a user who still has the lost file (F20).

    The file may be a whole saved model (group ``model_weights``) or weights alone. Raises InputError
    if it is unreadable or an array does not fit.
    """
    unet = build_unet(parameters)
    ours = [layer for layer in unet.layers if layer.weights]
    with _open(path) as file:
        root = file.get("model_weights", file)
        names = [_text(name) for name in root.attrs["layer_names"]]
        theirs = [arrays for arrays in (_arrays(root[name]) for name in names) if arrays]
    # The two heads are the last layers of both, in different order.
    ours = ours[:-2] + sorted(ours[-2:], key=lambda layer: -layer.count_params())
    theirs = theirs[:-2] + sorted(theirs[-2:], key=lambda arrays: -sum(array.size for _, array in arrays))
    variables = [variable for layer in ours for variable in layer.weights]
    _assign(variables, [array for arrays in theirs for array in arrays], "the UNet", path)
    return unet


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read as a Keras 2 weight file: {error}.") from error


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _arrays(group: h5py.Group) -> list[tuple[str, np.ndarray]]:
    """Return (name, array) in the order of the group's list."""
    names = [_text(name) for name in group.attrs["weight_names"]]
    return [(name, np.asarray(group[name])) for name in names]


def _assign(
    variables: Sequence[keras.Variable], arrays: list[tuple[str, np.ndarray]], network: str, path: Path
) -> None:
    """Assign each variable its array; raises InputError, before any assignment, if one does not fit."""
    if len(arrays) != len(variables):
        raise InputError(f"{path} holds {len(arrays)} arrays for {network}, {len(variables)} are needed.")
    for variable, (name, array) in zip(variables, arrays, strict=True):
        if tuple(variable.shape) != array.shape:
            raise InputError(
                f"{path}: array '{name}' has shape {array.shape}, '{variable.path}' needs {tuple(variable.shape)}."
            )
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise InputError(f"{path}: array '{name}' holds values that are not finite numbers: fetch the file again.")
    for variable, (_, array) in zip(variables, arrays, strict=True):
        variable.assign(array)
