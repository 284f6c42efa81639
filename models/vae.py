"""The Cond-DFC-VAE: conditional, deep-feature-consistent variational autoencoder (Methods; Figure 1a).

Shapes are for the 32^3 grid and the paper's widths. B batch, G grid edge, L latent (256), K conditions (10).
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

from models.precision import convolutional
from models.table6 import LEAK, VAE_EPSILON, VAEParameters


def _batch_norm(parameters: VAEParameters, name: str) -> layers.Layer:
    """Batch normalisation with the epsilon of Keras 2 (F13)."""
    return layers.BatchNormalization(momentum=parameters.norm_momentum, epsilon=VAE_EPSILON, name=name)


def build_encoder(parameters: VAEParameters, grid: int = 32) -> keras.Model:
    """Return the encoder: maps (B, G, G, G, 4) and condition (B, K) to mean and log-variance (B, L).

    Methods, "Conditional Deep-Feature-Consistent Variational Autoencoder"; F12.
    """
    maps = layers.Input((grid, grid, grid, 4), name="maps")
    condition = layers.Input((parameters.conditions,), name="condition")

    x = encoder_features(maps, condition, parameters, grid)  # (B, 32)
    x = layers.Dense(parameters.dense, activation="relu", name="encoder_dense")(x)
    z_mean = layers.Dense(parameters.latent, name="z_mean")(x)
    z_log_var = layers.Dense(parameters.latent, name="z_log_var")(x)
    return keras.Model({"maps": maps, "condition": condition}, [z_mean, z_log_var], name="encoder")


@convolutional
def encoder_features(
    maps: keras.KerasTensor, condition: keras.KerasTensor, parameters: VAEParameters, grid: int
) -> keras.KerasTensor:
    """Turn maps (B, G, G, G, 4) and condition (B, K) into a vector of features (B, 32) by convolutions."""
    everywhere = layers.Reshape((1, 1, 1, parameters.conditions), name="condition_voxel")(condition)
    everywhere = layers.UpSampling3D(grid, name="condition_everywhere")(everywhere)  # (B, 32, 32, 32, 10)
    x = layers.Concatenate(name="maps_and_condition")([maps] + [everywhere] * parameters.condition_copies)
    for block, filters in enumerate(parameters.filters, start=1):
        x = layers.Conv3D(filters, 3, padding="same", name=f"encoder_conv_{block}")(x)
        x = _batch_norm(parameters, f"encoder_norm_{block}")(x)
        x = layers.LeakyReLU(LEAK, name=f"encoder_leaky_{block}")(x)
        x = layers.MaxPooling3D(2, name=f"encoder_pool_{block}")(x)  # 16, 8, 4, 2
    x = layers.Conv3D(4, 3, padding="same", name="encoder_conv_out")(x)  # (B, 2, 2, 2, 4)
    x = layers.LeakyReLU(LEAK, name="encoder_leaky_out")(x)
    return layers.Flatten(name="encoder_flatten")(x)  # (B, 32)


def build_decoder(parameters: VAEParameters, grid: int = 32) -> keras.Model:
    """Return the decoder: latent (B, L) and condition (B, K) to ``maps`` (B, G, G, G, 4), all >= 0.

    Methods, same section; F13.
    """
    z = layers.Input((parameters.latent,), name="z")
    condition = layers.Input((parameters.conditions,), name="condition")

    x = layers.Concatenate(name="z_and_condition")([z, condition])  # (B, 266)
    x = decoder_features(x, parameters, grid)  # (B, 32, 32, 32, 16)
    x = layers.Conv3D(4, 3, padding="same", name="decoder_conv_out")(x)  # (B, 32, 32, 32, 4)
    x = _batch_norm(parameters, "decoder_norm_out")(x)
    maps = layers.ReLU(name="decoder_relu_out")(x)
    return keras.Model({"z": z, "condition": condition}, {"maps": maps}, name="decoder")


@convolutional
def decoder_features(x: keras.KerasTensor, parameters: VAEParameters, grid: int) -> keras.KerasTensor:
    """Turn a vector (B, ..) into features of every voxel (B, G, G, G, 16) by convolutions."""
    edge = grid // 2 ** (len(parameters.filters) - 1)  # 4 at 32^3: one doubling fewer than blocks
    x = layers.Dense(parameters.dense, dtype="float32", name="decoder_dense")(x)
    x = layers.Reshape((edge, edge, edge, parameters.dense // edge**3), name="decoder_reshape")(x)  # (B, 4, 4, 4, 4)
    last = len(parameters.filters)
    for block, filters in enumerate(reversed(parameters.filters), start=1):
        x = layers.Conv3D(filters, 3, padding="same", name=f"decoder_conv_{block}")(x)
        x = _batch_norm(parameters, f"decoder_norm_{block}")(x)
        x = layers.LeakyReLU(LEAK, name=f"decoder_leaky_{block}")(x)
        if block < last:
            x = layers.UpSampling3D(2, name=f"decoder_up_{block}")(x)  # 8, 16, 32
    return x


def start_from_statistics(decoder: keras.Model, maps: np.ndarray) -> None:
    """Let the decoder's last normalisation start at the mean and deviation of ``maps`` (n, G, G, G, 4).

    Not in the paper. The coordinate channels reach 15 Å, and Adam moves that layer's offset by about
    the learning rate per step: otherwise a training of a thousand steps ends before it has found the
    scale of the coordinates.
    """
    norm = decoder.get_layer("decoder_norm_out")
    channels = norm.gamma.shape[0]  # 4, or the density alone
    norm.gamma.assign(maps.std(axis=(0, 1, 2, 3))[:channels])
    norm.beta.assign(maps.mean(axis=(0, 1, 2, 3))[:channels])


class Sampling(layers.Layer):
    """Sample z = mean + exp(log-variance / 2) epsilon, epsilon ~ N(0, 1) (Methods: reparametrization)."""

    def __init__(self, seed: int, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(seed)

    def save_own_variables(self, store):
        """Save the state of the noise, so that a resumed training has the noise of an uninterrupted one."""
        store["seed_state"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store):
        """Load the state of the noise."""
        self.seed_generator.state.assign(store["seed_state"])

    def call(self, z_mean, z_log_var):
        """Return z (B, L)."""
        noise = keras.random.normal(ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * noise


def kl_divergence(z_mean: keras.KerasTensor, z_log_var: keras.KerasTensor) -> keras.KerasTensor:
    """Return the divergence (B,) in nats of N(mean, variance) from N(0, 1), summed over the latent (F14)."""
    return -0.5 * ops.sum(1.0 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var), axis=-1)


class CondDFCVAE(keras.Model):
    """The training model: L = MSE + alpha perceptual + beta KLD (Methods; Table 6; F14).

    ``features`` turns maps (B, G, G, G, 4) into the four feature maps of the frozen UNet. It is a function,
    so that the UNet's weights are neither trained nor saved here; None trains without the DFC term
    (Table 5, first row).
    """

    builders = (build_encoder, build_decoder)
    names = ("mse", "perceptual", "kld", "density_mse")  # of the loss's terms

    def __init__(
        self,
        parameters: VAEParameters,
        grid: int = 32,
        features: Callable | None = None,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.parameters = parameters
        encoder, decoder = self.builders
        self.encoder = encoder(parameters, grid)
        self.decoder = decoder(parameters, grid)
        self.sampling = Sampling(seed, name="sampling")
        self._features = features
        self.perceptual_training = True  # False: only validation adds the perceptual term
        self.trackers = {name: keras.metrics.Mean(name=name) for name in self.names}
        self.built = True  # the parts are built; weights can be loaded before the first batch

    def build(self, input_shape=None):
        """Do nothing: encoder and decoder are built when they are made."""

    def call(self, inputs, training=None):
        """Return the decoded maps, mean and log-variance; z is sampled in training and the mean otherwise."""
        z_mean, z_log_var = self.encoder({name: inputs[name] for name in self.encoder.input}, training=training)
        z = self.sampling(z_mean, z_log_var) if training else z_mean
        decoded = self.decoder({"z": z, "condition": inputs["condition"]}, training=training)
        return {**decoded, "z_mean": z_mean, "z_log_var": z_log_var}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the scalar loss of a batch and record its terms by name."""
        terms = self.terms(x, y_pred, training)
        for name, value in terms.items():
            self.trackers[name].update_state(value)
        return self.weigh(terms)

    def terms(self, x, y_pred, training=True) -> dict:
        """Return the terms of the loss of a batch by name; ``mse`` includes ``density_mse``."""
        true, predicted = x["maps"], y_pred["maps"]
        squared, perceives = ops.square(true - predicted), self.perceptual_training or not training
        return {
            "mse": ops.mean(squared),
            "perceptual": self._perceptual(true, predicted) if perceives else ops.zeros(()),
            "kld": ops.mean(kl_divergence(y_pred["z_mean"], y_pred["z_log_var"])),
            "density_mse": ops.mean(squared[..., 0]),
        }

    def weigh(self, terms: dict):
        """Return the scalar loss (Methods; Table 6)."""
        return terms["mse"] + self.parameters.alpha * terms["perceptual"] + self.parameters.beta * terms["kld"]

    def _perceptual(self, true, predicted):
        """Sum over the UNet's layers of the mean squared feature difference (Methods: DFC-VAE), in float32."""
        if self._features is None:
            return ops.zeros(())
        pairs = zip(self._features(true), self._features(predicted), strict=True)
        return sum(
            ops.mean(ops.square(ops.cast(target, "float32") - ops.cast(output, "float32"))) for target, output in pairs
        )
