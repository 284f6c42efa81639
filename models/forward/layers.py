"""What the networks have in common: the arrays of their layers, normalisation, softplus."""

from collections.abc import Mapping

import numpy as np

LayerArrays = Mapping[str, tuple[np.ndarray, ...]]  # of each layer that has any, by its name, in Keras' order


class Layers:
    """The arrays of a network's layers, each to be taken once; those of another network are refused."""

    def __init__(self, arrays: LayerArrays):
        self._left = dict(arrays)

    def take(self, name: str, *shapes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        """Return the arrays of a layer as float32; raises ValueError if they have not these ``shapes``."""
        found = self._left.pop(name, ())
        if tuple(array.shape for array in found) != shapes:
            had = ", ".join(str(array.shape) for array in found) or "no arrays"
            raise ValueError(f"the layer {name} has {had} instead of {', '.join(map(str, shapes))}")
        return tuple(np.asarray(array, dtype=np.float32) for array in found)

    def dense(self, name: str, inputs: int, units: int) -> tuple[np.ndarray, np.ndarray]:
        """Return kernel (inputs, units) and bias (units,) of a dense layer."""
        return self.take(name, (inputs, units), (units,))

    def normalisation(self, name: str, channels: int, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
        """Return scale and shift (channels,) of a batch normalisation in inference."""
        gamma, beta, mean, variance = self.take(name, *[(channels,)] * 4)
        scale = gamma / np.sqrt(variance + np.float32(epsilon))
        return scale, beta - mean * scale

    def require_none_left(self) -> None:
        """Raise ValueError if there is a layer that was not taken."""
        if self._left:
            raise ValueError(f"the layer {next(iter(self._left))} is of another network")


OVERFLOW = 80.0  # exp of more is not finite in float32


def softplus(x: np.ndarray) -> np.ndarray:
    """Return ln(1 + exp(x)) of float32 numbers, to 1e-7."""
    if x.size and x.max() > OVERFLOW:
        return np.maximum(x, 0) + np.log(1 + np.exp(-np.abs(x)))
    y = np.exp(x)
    y += 1
    return np.log(y, out=y)
