"""The 3-D UNet: density maps to species and occupancy (Methods, "3-D Multiclass Atom Segmentation"; Figure 1b).

Shapes are for a 32^3 grid and 32 filters. The network is fully convolutional: the same weights take
training crops and whole maps.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

from models.precision import convolutional
from models.table6 import UNetParameters

PERCEPTUAL_LAYERS = ("down_1_relu_2", "down_2_relu_2", "down_3_relu_2", "bottleneck_relu_2")  # F14


def _block(x, filters: tuple[int, int], momentum: float, name: str):
    """Twice: convolution, ReLU, batch normalisation, in this order (F20)."""
    for step, width in enumerate(filters, start=1):
        x = layers.Conv3D(width, 3, padding="same", name=f"{name}_conv_{step}")(x)
        x = layers.ReLU(name=f"{name}_relu_{step}")(x)
        x = layers.BatchNormalization(momentum=momentum, epsilon=1e-3, name=f"{name}_norm_{step}")(x)
    return x


def build_unet(parameters: UNetParameters, grid: int | None = None) -> keras.Model:
    """Return the UNet: maps (B, G, G, G, 4) to ``species`` (B, G, G, G, 95) and ``occupied`` (B, G, G, G, 1).

    ``species`` is a softmax over Z = 0..94, ``occupied`` a sigmoid. G is any multiple of 8; ``grid``
    fixes it, None leaves it open. Methods; F20 (31,163,008 parameters at 32 filters).
    """
    maps = layers.Input((grid, grid, grid, 4), name="maps")
    x = unet_features(maps, parameters)  # (B, 32, 32, 32, 128)
    species = layers.Conv3D(parameters.classes, 1, activation="softmax", name="species")(x)  # "soft" in the release
    occupied = layers.Conv3D(1, 1, activation="sigmoid", name="occupied")(x)  # "sig" in the release
    return keras.Model(maps, {"species": species, "occupied": occupied}, name="unet")


@convolutional
def unet_features(maps: keras.KerasTensor, parameters: UNetParameters) -> keras.KerasTensor:
    """Turn maps (B, G, G, G, channels) into the features (B, G, G, G, 4 filters) that both heads read (F20)."""
    f, momentum = parameters.filters, parameters.norm_momentum
    down_1 = _block(maps, (f, 2 * f), momentum, "down_1")  # (B, 32, 32, 32, 64)
    x = layers.MaxPooling3D(2, name="pool_1")(down_1)
    down_2 = _block(x, (2 * f, 4 * f), momentum, "down_2")  # (B, 16, 16, 16, 128)
    x = layers.MaxPooling3D(2, name="pool_2")(down_2)
    down_3 = _block(x, (4 * f, 8 * f), momentum, "down_3")  # (B, 8, 8, 8, 256)
    x = layers.MaxPooling3D(2, name="pool_3")(down_3)

    x = _block(x, (16 * f, 16 * f), momentum, "bottleneck")  # (B, 4, 4, 4, 512)

    ups = ((down_3, (16 * f, 8 * f)), (down_2, (8 * f, 4 * f)), (down_1, (4 * f, 4 * f)))
    for step, (skip, filters) in enumerate(ups, start=1):
        x = layers.UpSampling3D(2, name=f"up_{step}")(x)
        x = layers.Concatenate(name=f"skip_{step}")([skip, x])
        x = _block(x, filters, momentum, f"up_{step}_block")  # (B, 32, 32, 32, 128) at last
    return x


def perceptual_features(unet: keras.Model) -> Callable:
    """Return a function from maps to the UNet's four feature maps, for the DFC loss (F14).

    Second ReLU of each down block and of the bottleneck. Only the down path is evaluated, and batch
    normalisation uses its moving statistics: the perceptual model is frozen.
    """
    outputs = [unet.get_layer(name).output for name in PERCEPTUAL_LAYERS]
    down_path = keras.Model(unet.input, outputs, name="perceptual")
    down_path.trainable = False

    def features(maps):
        return down_path(maps, training=False)

    return features


class WeightedCategoricalCrossentropy(keras.losses.Loss):
    """Mean over voxels of -w(true) log p(true), w the class weights (Methods; F21).

    ``class_weights`` (C,); the sum is divided by the summed weights, so that the scale does not
    depend on how many voxels are empty.
    """

    def __init__(self, class_weights, name="weighted_categorical_crossentropy"):
        super().__init__(name=name, reduction=None)
        self.class_weights = class_weights

    def call(self, y_true, y_pred):
        """``y_true`` (B, G, G, G) integer classes, ``y_pred`` (B, G, G, G, C) probabilities."""
        y_true = ops.cast(y_true, "int32")
        weights = ops.take(ops.convert_to_tensor(self.class_weights, dtype=y_pred.dtype), y_true)
        probability = ops.take_along_axis(y_pred, ops.expand_dims(y_true, -1), axis=-1)[..., 0]
        loss = -ops.log(ops.clip(probability, 1e-7, 1.0))
        return ops.sum(weights * loss) / ops.maximum(ops.sum(weights), 1e-12)


def inverse_frequency_weights(voxel_counts: np.ndarray, cap: float = 0.0) -> np.ndarray:
    """Return class weights (C,): total / count, 0 for class 0 and for classes that never occur (Methods; F21).

    Scaled to a mean of 1 over the classes present, which leaves the loss unchanged. ``cap``, not in the paper, is the
    largest weight as a multiple of their median (F38: ten); 0 caps none.
    """
    present = voxel_counts > 0
    present[0] = False
    weights = present * voxel_counts.sum() / voxel_counts.clip(min=1)
    weights = weights / weights[present].mean()
    return np.minimum(weights, cap * np.median(weights[present])) if cap else weights
