"""The floating-point operations of a network, counted from its layers' shapes."""

from collections.abc import Iterable
from math import prod

from keras import layers

from models.cgcnn import EdgeLinear


def forward_flop(network: Iterable[layers.Layer]) -> int:
    """Return the floating-point operations of one sample's forward pass: convolutions and dense layers.

    Two per multiply-add; normalisation, activation and pooling are below one percent of it. Takes the
    layers of a functional model with a fixed input shape. Raises ValueError for an open shape.
    """
    return sum(_layer_flop(layer) for layer in network if isinstance(layer, (layers.Conv3D, layers.Dense)))


def _layer_flop(layer: layers.Layer) -> int:
    positions = layer.output.shape[1:-1]
    if None in positions:
        raise ValueError(f"{layer.name} has an open shape {layer.output.shape}: build the model on a fixed grid.")
    return 2 * prod(positions) * prod(layer.kernel.shape)


def graph_flop(network: Iterable[layers.Layer], sites: int, edges: int, crystals: int) -> int:
    """Return the operations of a forward pass of the CGCNN on a packed batch: its matrix products.

    The weights of an ``EdgeLinear`` act on every site, and those of the distances on every edge.
    """
    total = 0
    for layer in network:
        if isinstance(layer, EdgeLinear):
            width, units = (layer.input[0].shape[-1], layer.units)
            total += 2 * units * (2 * width * sites + (layer.kernel.shape[0] - 2 * width) * edges)
        elif isinstance(layer, layers.Dense):
            total += 2 * prod(layer.kernel.shape) * (sites if layer.name.startswith("atom_") else crystals)
    return total


def training_flop(forward: int) -> int:
    """Return the operations of a training step: forward, gradient of the inputs, gradient of the weights.

    The perceptual term has three parts as well: features of the true maps, of the reconstruction, and
    the gradient of the latter.
    """
    return 3 * forward
