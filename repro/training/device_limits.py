"""What a device cannot do, in a sentence: half precision, or a batch that does not fit into its memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
from keras import layers

from data_prep.errors import InputError
from models.beyond_paper import Precision
from models.precision import convolutional, convolutions_in
from repro import stamps

_OUT_OF_MEMORY = ("ResourceExhaustedError", "OutOfMemoryError")  # of TensorFlow, of PyTorch
_WORDS = ("resource exhausted", "out of memory", "alloc failed")


def require_precision(precision: Precision, stage: str) -> None:
    """Raise InputError if the device cannot train convolutions in ``precision``: one tiny network is trained."""
    if precision == "float32":
        return
    with convolutions_in(precision):
        model = _tiny_network()
    try:
        model.compile(optimizer="sgd", loss="mse", jit_compile=keras.backend.backend() == "jax")
        model.train_on_batch(np.ones((1, 4, 4, 4, 1), np.float32), np.ones((1, 1), np.float32))
    except Exception as error:  # each backend has errors of its own for a kernel that is not there
        if is_out_of_memory(error):
            raise InputError(
                f"{stage} ran out of memory on a tiny network: another program uses this device."
            ) from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{stage}: this device cannot train in {precision} with {keras.backend.backend()} ({reason}): choose "
            "another preset, set precision to float32 in this one (repro/presets.py), or KERAS_BACKEND to another "
            "backend."
        ) from error


@convolutional
def _features(maps: keras.KerasTensor) -> keras.KerasTensor:
    """Every kind of layer that the networks have between their maps and their heads."""
    x = layers.Conv3D(2, 3, padding="same")(maps)
    x = layers.BatchNormalization()(layers.ReLU()(x))
    x = layers.UpSampling3D(2)(layers.MaxPooling3D(2)(x))
    return layers.Flatten()(layers.Conv3D(2, 3, padding="same")(layers.Concatenate()([x, maps])))


def _tiny_network() -> keras.Model:
    maps = layers.Input((4, 4, 4, 1))
    return keras.Model(maps, layers.Dense(1)(_features(maps)))


@contextmanager
def explaining_memory(folder: Path, batch_size: int) -> Iterator[None]:
    """Turn whatever a backend raises when memory is exhausted into an InputError that says which number to lower."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            f"{folder.name} ran out of memory with batch_size = {batch_size}: set a smaller one in the preset "
            f"(repro/presets.py), such as {max(1, batch_size // 2)}, and remove {stamps.claimed(folder)} "
            "to start again."
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of Python, TensorFlow, JAX or PyTorch means that memory is exhausted."""
    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind in _OUT_OF_MEMORY:
        return True
    said = str(error).lower().replace("_", " ")
    unclear = isinstance(error, RuntimeError) or kind == "InternalError"  # of JAX, of TensorFlow: for any reason
    return unclear and any(word in said for word in _WORDS)
