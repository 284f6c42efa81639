"""The Cond-DFC-VAE with heads for composition and lattice (not in the paper; F34, F35, F37).

The latent is first decoded to the composition and the lengths of the cell's edges; the density is then
decoded from all of it, and the coordinate channels follow from the three lengths:

    z, condition -> composition, lengths -> density -> maps

The encoder is the paper's, but also receives the composition of the crystal, after the convolutions.
Shapes are for the 32^3 grid. B batch, G grid edge, L latent (256), K conditions (10), E species (95,
Z = 0..94).
"""

import keras
import numpy as np
from keras import layers, ops

from data_prep.box import BOX
from data_prep.elements import MAX_Z
from models.beyond_paper import SHARE_SCALE
from models.table6 import VAE_EPSILON, VAEParameters
from models.vae import CondDFCVAE, decoder_features, encoder_features

SPECIES = MAX_Z + 1  # F7
START_LENGTH = 4.5  # Å, output of the lattice head before the training


class CoordinateChannels(layers.Layer):
    """Compute the coordinate channels of cells with the given lengths (F8)."""

    def __init__(self, grid: int, **kwargs):
        super().__init__(**kwargs)
        self.grid = grid
        index = np.stack(np.meshgrid(*[np.arange(grid)] * 3, indexing="ij"), axis=-1)
        self._unit = (index * BOX / grid).astype(np.float32)  # (G, G, G, 3), in cell lengths

    def call(self, lengths):
        """Return (B, G, G, G, 3) in Å from ``lengths`` (B, 3) in Å."""
        return ops.reshape(lengths, (-1, 1, 1, 1, 3)) * ops.convert_to_tensor(self._unit, dtype=lengths.dtype)


def build_improved_encoder(parameters: VAEParameters, grid: int = 32) -> keras.Model:
    """Return the encoder: maps (B, G, G, G, 4), condition (B, K) and composition (B, E) to mean and
    log-variance (B, L)."""
    maps = layers.Input((grid, grid, grid, 4), name="maps")
    condition = layers.Input((parameters.conditions,), name="condition")
    composition = layers.Input((SPECIES,), name="composition")

    x = encoder_features(maps, condition, parameters, grid)  # (B, 32)
    shares = layers.Rescaling(SHARE_SCALE, name="composition_scaled")(composition)
    x = layers.Concatenate(name="features_and_composition")([x, shares])  # (B, 127)
    x = layers.Dense(parameters.dense, activation="relu", name="encoder_dense")(x)
    direct = layers.Dense(parameters.latent, use_bias=False, name="z_of_composition")(shares)
    z_mean = layers.Add(name="z_mean")([layers.Dense(parameters.latent, name="z_of_features")(x), direct])
    z_log_var = layers.Dense(parameters.latent, name="z_log_var")(x)
    inputs = {"maps": maps, "condition": condition, "composition": composition}
    return keras.Model(inputs, [z_mean, z_log_var], name="encoder")


def build_improved_decoder(parameters: VAEParameters, grid: int = 32) -> keras.Model:
    """Return the decoder: latent (B, L) and condition (B, K) to ``maps`` (B, G, G, G, 4) and
    ``composition`` (B, E), the share of each species among the sites."""
    z = layers.Input((parameters.latent,), name="z")
    condition = layers.Input((parameters.conditions,), name="condition")

    given = layers.Concatenate(name="z_and_condition")([z, condition])  # (B, 266)
    hidden = layers.Dense(parameters.dense, activation="relu", name="head_dense")(given)
    direct = layers.Dense(SPECIES, use_bias=False, name="composition_of_z")(z)
    scores = layers.Add(name="composition_scores")([layers.Dense(SPECIES, name="composition_of_dense")(hidden), direct])
    composition = layers.Softmax(name="composition")(scores)  # (B, 95)
    start = keras.initializers.Constant(START_LENGTH)
    lengths = layers.Dense(3, activation="softplus", bias_initializer=start, name="lengths")(hidden)  # (B, 3), Å

    everything = layers.Concatenate(name="z_and_heads")([given, composition, lengths])  # (B, 364)
    x = decoder_features(everything, parameters, grid)  # (B, 32, 32, 32, 16)
    x = layers.Conv3D(1, 3, padding="same", name="decoder_conv_out")(x)
    x = layers.BatchNormalization(momentum=parameters.norm_momentum, epsilon=VAE_EPSILON, name="decoder_norm_out")(x)
    density = layers.ReLU(name="decoder_relu_out")(x)  # (B, 32, 32, 32, 1)
    maps = layers.Concatenate(name="maps")([density, CoordinateChannels(grid, name="coordinates")(lengths)])
    return keras.Model({"z": z, "condition": condition}, {"maps": maps, "composition": composition}, name="decoder")


class ImprovedVAE(CondDFCVAE):
    """The training model: density and coordinates have errors of their own, and the composition its divergence.

    L = w_d MSE(density) + MSE(coordinates) + alpha perceptual + beta KLD + w_c KL(composition); the paper's
    single MSE over the four channels depends on little but the lattice (F34, F37).
    """

    builders = (build_improved_encoder, build_improved_decoder)
    names = (*CondDFCVAE.names, "coordinate_mse", "composition")

    def terms(self, x, y_pred, training=True) -> dict:
        """Return the terms of the loss of a batch by name."""
        found = super().terms(x, y_pred, training)
        true, predicted = x["composition"], ops.clip(y_pred["composition"], 1e-7, 1.0)
        divergence = ops.sum(true * (ops.log(ops.clip(true, 1e-7, 1.0)) - ops.log(predicted)), axis=-1)
        squared = ops.square(x["maps"] - y_pred["maps"])
        return found | {"coordinate_mse": ops.mean(squared[..., 1:]), "composition": ops.mean(divergence)}

    def weigh(self, terms: dict):
        """Return the scalar loss."""
        p = self.parameters
        errors = p.density_weight * terms["density_mse"] + terms["coordinate_mse"]
        return (
            errors + p.alpha * terms["perceptual"] + p.beta * terms["kld"] + p.composition_weight * terms["composition"]
        )
