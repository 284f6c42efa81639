"""The perceptual term's scale: what a weight of 1 means, whichever UNet the features are of (F42).

The features of a UNet trained at a rate of 1e-3 differ by thousands where those of the authors' rate of 3e-6 stay
near their initial size. Divided by each layer's mean square over training maps, a difference is a share.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from keras import ops

from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.files.json_files import read_json
from models.unet import PERCEPTUAL_LAYERS
from repro.training.fit import STATE

SCALE = "perceptual_scale.json"
SMALLEST = 1e-12  # of a layer that is zero everywhere
MAPS_AT_ONCE = 8


def perceptual_scale(folder: Path, features: Callable, maps: np.ndarray) -> dict[str, float]:
    """Return the mean square of each perceptual layer, by name, over ``maps`` (n, G, G, G, 4), and store it.

    A training that goes on takes what is stored in ``folder``: its loss stays the same function. Raises InputError
    naming the file if it is missing or damaged then.
    """
    path = folder / SCALE
    if (folder / STATE).exists():
        return _stored(path, folder)
    scale = dict(zip(PERCEPTUAL_LAYERS, mean_squares(features, maps), strict=True))
    write_json(path, scale)
    return scale


def mean_squares(features: Callable, maps: np.ndarray) -> list[float]:
    """Return the mean square of each feature map of ``features`` over ``maps`` (n, G, G, G, 4)."""
    sums = np.zeros(len(PERCEPTUAL_LAYERS))
    for start in range(0, len(maps), MAPS_AT_ONCE):
        part = maps[start : start + MAPS_AT_ONCE]
        found = features(part)
        sums += [len(part) * float(ops.mean(ops.square(ops.cast(layer, "float32")))) for layer in found]
    return [max(float(total) / len(maps), SMALLEST) for total in sums]


def scaled_features(features: Callable, scale: dict[str, float]) -> Callable:
    """Return the function whose squared differences are those of ``features``, each layer's over its ``scale``.

    In float32: a million, the factor of a layer that is zero everywhere, is infinite in float16.
    """
    factors = [scale[name] ** -0.5 for name in PERCEPTUAL_LAYERS]

    def scaled(maps):
        return [ops.cast(layer, "float32") * factor for layer, factor in zip(features(maps), factors, strict=True)]

    return scaled


def of_first(count: int, features: Callable) -> Callable:
    """Return the features of the first ``count`` maps of a batch: on two cores they cost six times the VAE itself.

    Batches are shuffled, so the mean over a few is an unbiased estimate of the mean over all.
    """
    return lambda maps: features(maps[:count])


def _stored(path: Path, folder: Path) -> dict[str, float]:
    found = read_json(path, f"remove {folder} and train")
    try:
        scale = {name: float(found[name]) for name in PERCEPTUAL_LAYERS}
        if not all(0 < value < np.inf for value in scale.values()):
            raise ValueError("a scale is above 0")
        return scale
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}): remove {folder} and train again.") from error
