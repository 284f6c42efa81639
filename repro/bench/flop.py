"""Counts the arithmetic of a network from its layers' shapes."""

from collections.abc import Iterable
from math import prod

from keras import layers


def forward_flop(network: Iterable[layers.Layer]) -> int:
    """Return the floating-point operations of one sample's forward pass: convolutions and dense layers.

    Two per multiply-add; normalisation, activation and pooling are below one percent of it. Takes the
    layers of a functional model whose input shape is fixed. Raises ValueError for an open shape.
    """
    return sum(_layer_flop(layer) for layer in network if isinstance(layer, (layers.Conv3D, layers.Dense)))


def _layer_flop(layer: layers.Layer) -> int:
    positions = layer.output.shape[1:-1]
    if None in positions:
        raise ValueError(f"{layer.name} has an open shape {layer.output.shape}: build the model on a fixed grid.")
    return 2 * prod(positions) * prod(layer.kernel.shape)


def training_flop(forward: int) -> int:
    """Return the operations of a training step: forward, gradient of the inputs, gradient of the weights.

    The same three hold for the perceptual term: features of the true maps, of the reconstruction, and
    the gradient of the latter.
    """
    return 3 * forward
