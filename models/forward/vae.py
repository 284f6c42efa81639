"""Encoder and decoder of the VAEs in NumPy: the paper's (``models.vae``), and the one with heads (``improved_vae``).

B samples, G grid edge, L latent, K conditions, E species.
"""

from collections.abc import Sequence

import numpy as np

from data_prep.box import coordinate_grid
from data_prep.elements import MAX_Z
from models.beyond_paper import SHARE_SCALE, ImprovedVAEParameters
from models.forward.convolutions import (
    convolve,
    convolve_constant,
    convolve_to_few,
    enlarge_and_convolve,
    enlarging_kernel,
    halved,
    padded,
)
from models.forward.layers import LayerArrays, Layers, softplus
from models.table6 import LEAK, VAE_EPSILON, VAEParameters

SPECIES = MAX_Z + 1  # F7
MAPS = 4  # channels: density and coordinates


def leaky(x: np.ndarray) -> np.ndarray:
    """Return x, and ``LEAK`` x where x is negative."""
    return np.maximum(x, np.float32(LEAK) * x)


def relu(x: np.ndarray) -> np.ndarray:
    """Return x, and 0 where x is negative."""
    return np.maximum(x, 0)


def _normalised(layers: Layers, conv: str, norm: str, inputs: int, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel (3, 3, 3, C, O) and bias (O,) of a convolution and the batch normalisation after it."""
    kernel, bias = layers.take(conv, (3, 3, 3, inputs, outputs), (outputs,))
    scale, shift = layers.normalisation(norm, outputs, VAE_EPSILON)
    return kernel * scale, bias * scale + shift


class Encoder:
    """A trained encoder, of the ``arrays`` of ``build_encoder``'s or ``build_improved_encoder``'s layers.

    ``reads_composition`` says whether it also receives the composition. Raises ValueError if the arrays are not those
    of a network with these ``parameters`` on maps of this ``grid``.
    """

    def __init__(self, parameters: VAEParameters, grid: int, arrays: LayerArrays):
        layers, p, k = Layers(arrays), parameters, parameters.conditions
        self.reads_composition = isinstance(p, ImprovedVAEParameters)
        widths = (MAPS + p.condition_copies * k, *p.filters)
        self.blocks = [
            _normalised(layers, f"encoder_conv_{block}", f"encoder_norm_{block}", widths[block - 1], widths[block])
            for block in range(1, len(widths))
        ]
        kernel = self.blocks[0][0]  # the conditions are concatenated several times
        self.of_condition = kernel[..., MAPS:, :].reshape(3, 3, 3, p.condition_copies, k, -1).sum(axis=3)
        self.blocks[0] = np.ascontiguousarray(kernel[..., :MAPS, :]), self.blocks[0][1]
        self.last = layers.take("encoder_conv_out", (3, 3, 3, p.filters[-1], 4), (4,))
        features = 4 * (grid // 2 ** len(p.filters)) ** 3
        self.dense = layers.dense("encoder_dense", features + self.reads_composition * SPECIES, p.dense)
        self.z_mean = layers.dense("z_of_features" if self.reads_composition else "z_mean", p.dense, p.latent)
        if self.reads_composition:
            (self.of_composition,) = layers.take("z_of_composition", (SPECIES, p.latent))
        self.z_log_var = layers.dense("z_log_var", p.dense, p.latent)
        layers.require_none_left()

    def __call__(
        self, maps: np.ndarray, condition: np.ndarray, composition: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and log-variance (B, L) of maps (B, G, G, G, 4), condition (B, K) and composition (B, E)."""
        x = np.stack([self._features(*one) for one in zip(maps, condition, strict=True)])
        shares = None
        if self.reads_composition:
            shares = np.float32(SHARE_SCALE) * np.asarray(composition, dtype=np.float32)
            x = np.concatenate([x, shares], axis=1)
        x = relu(x @ self.dense[0] + self.dense[1])
        z_mean = x @ self.z_mean[0] + self.z_mean[1]
        if shares is not None:
            z_mean = z_mean + shares @ self.of_composition
        return z_mean, x @ self.z_log_var[0] + self.z_log_var[1]

    def _features(self, x: np.ndarray, condition: np.ndarray) -> np.ndarray:
        everywhere = convolve_constant(condition.astype(np.float32), self.of_condition, len(x))
        for kernel, bias in self.blocks:
            x = convolve(padded(x), kernel) + bias
            x = halved(leaky(x if everywhere is None else x + everywhere))
            everywhere = None
        return leaky(convolve(padded(x), self.last[0]) + self.last[1]).ravel()


class Decoder:
    """A trained decoder, of the ``arrays`` of ``build_decoder``'s or ``build_improved_decoder``'s layers.

    ``gives_composition`` says whether it has heads. Raises ValueError if the arrays are not those of a network with
    these ``parameters`` on maps of this ``grid``.
    """

    def __init__(self, parameters: VAEParameters, grid: int, arrays: LayerArrays):
        layers, p = Layers(arrays), parameters
        self.latent, self.grid = p.latent, grid
        self.gives_composition = isinstance(p, ImprovedVAEParameters)
        given = p.latent + p.conditions
        if self.gives_composition:
            self.head = layers.dense("head_dense", given, p.dense)
            (self.of_z,) = layers.take("composition_of_z", (p.latent, SPECIES))
            self.of_head = layers.dense("composition_of_dense", p.dense, SPECIES)
            self.lengths = layers.dense("lengths", p.dense, 3)
            given += SPECIES + 3
        self.dense = layers.dense("decoder_dense", given, p.dense)
        edge = grid // 2 ** (len(p.filters) - 1)
        self.start = (edge, edge, edge, p.dense // edge**3)
        widths = (self.start[-1], *reversed(p.filters))
        blocks = [
            _normalised(layers, f"decoder_conv_{block}", f"decoder_norm_{block}", widths[block - 1], widths[block])
            for block in range(1, len(widths))
        ]
        self.first = blocks[0]
        self.enlarging = [(enlarging_kernel(kernel), bias) for kernel, bias in blocks[1:]]
        outputs = 1 if self.gives_composition else MAPS
        self.last = _normalised(layers, "decoder_conv_out", "decoder_norm_out", widths[-1], outputs)
        layers.require_none_left()

    def __call__(self, z: np.ndarray, condition: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return maps (B, G, G, G, 4) and composition (B, E), if there are heads, of z (B, L), condition (B, K)."""
        given = _beside(z, condition)
        if not self.gives_composition:
            return np.stack([self._voxels(one) for one in self._starts(given)]), None
        hidden, composition = self._heads(given)
        lengths = softplus(hidden @ self.lengths[0] + self.lengths[1])
        maps = np.empty((len(given), *[self.grid] * 3, MAPS), dtype=np.float32)
        starts = self._starts(np.concatenate([given, composition, lengths], axis=1))
        for place, (one, cell) in enumerate(zip(starts, lengths, strict=True)):
            maps[place, ..., :1], maps[place, ..., 1:] = self._voxels(one), coordinate_grid(cell, self.grid)
        return maps, composition

    def composition(self, z: np.ndarray, condition: np.ndarray) -> np.ndarray:
        """Return the composition (B, E) alone."""
        return self._heads(_beside(z, condition))[1]

    def _heads(self, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the heads' hidden layer (B, D) and the composition (B, E)."""
        hidden = relu(given @ self.head[0] + self.head[1])
        scores = hidden @ self.of_head[0] + self.of_head[1] + given[:, : self.latent] @ self.of_z
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return hidden, shares / shares.sum(axis=1, keepdims=True)

    def _starts(self, given: np.ndarray) -> np.ndarray:
        return (given @ self.dense[0] + self.dense[1]).reshape(-1, *self.start)

    def _voxels(self, x: np.ndarray) -> np.ndarray:
        x = padded(leaky(convolve(padded(x), self.first[0]) + self.first[1]))
        for kernel, bias in self.enlarging:
            x = enlarge_and_convolve(x, kernel, bias, leaky)
        return relu(convolve_to_few(x, self.last[0]) + self.last[1])


def _beside(*arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(array, dtype=np.float32) for array in arrays], axis=1)
