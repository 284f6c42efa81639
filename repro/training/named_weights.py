"""Weights as NPZ files with a key ``LAYER/VARIABLE`` for each variable: to bring in networks trained elsewhere.

Such a file depends on the names of the layers and on the shapes alone, not on a version of Keras. Kernels, nearly
all of a network's numbers, may be stored as float16: half the size, relative errors below 4.9e-4.
"""

from pathlib import Path

import keras
import numpy as np

from data_prep.errors import InputError
from data_prep.files.npz import DamagedNpz, read_npz, write_npz

KERNEL = "/kernel"
READ = (np.float16, np.float32)


def load_named_weights(model: keras.Model, path: Path) -> None:
    """Assign what the NPZ file at ``path`` holds to the model's weights, all of them or none.

    Raises InputError naming the file and what is wrong with it: missing, damaged, a variable lacking, unknown or of
    another shape, numbers that are not finite or neither float16 nor float32.
    """
    try:
        found = read_npz(path)
    except FileNotFoundError:
        raise InputError(f"{path} is not there: give the folder that holds it.") from None
    except DamagedNpz as error:
        raise InputError(f"{path} is no whole NPZ file of weights ({error}): copy it again.") from error
    weights = named_weights(model)
    if fault := _fault(found, weights):
        raise InputError(f"{path} does not fit the network {model.name}: {fault}.")
    for name, weight in weights.items():
        weight.assign(found[name].astype(np.float32))


def write_named_weights(model: keras.Model, path: Path) -> None:
    """Write the model's weights to ``path`` atomically: kernels as float16, the rest as float32.

    Raises InputError naming a kernel that float16 cannot hold (numbers beyond 65,504, or not finite).
    """
    arrays = {name: keras.ops.convert_to_numpy(weight) for name, weight in named_weights(model).items()}
    with np.errstate(over="ignore"):
        stored = {
            name: array.astype(np.float16 if name.endswith(KERNEL) else np.float32) for name, array in arrays.items()
        }
    if bad := [name for name, array in stored.items() if not np.isfinite(array).all()]:
        raise InputError(f"{path} was not written: {bad[0]} holds numbers that are not finite in float16.")
    write_npz(path, stored)


def named_weights(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the model's weights by ``LAYER/VARIABLE``; the state of random numbers and of metrics are none."""
    return {weight.path: weight for weight in model.weights}


def _fault(found: dict[str, np.ndarray], weights: dict[str, keras.Variable]) -> str | None:
    """Return what is wrong with the arrays of a file, or None."""
    if lacking := [name for name in weights if name not in found]:
        return f"it lacks {_some(lacking)}"
    if unknown := [name for name in found if name not in weights]:
        return f"it holds {_some(unknown)}, which the network does not have"
    for name, weight in weights.items():
        array = found[name]
        if array.shape != tuple(weight.shape):
            return f"{name} has the shape {array.shape} instead of {tuple(weight.shape)}"
        if array.dtype not in READ:
            return f"{name} is {array.dtype} instead of float16 or float32"
        if not np.isfinite(array).all():
            return f"{name} holds numbers that are not finite"
    return None


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} others"
