"""The crystal graph convolutional network (Methods, "Crystal-Property Prediction via Graph Neural Networks").

B crystals whose S sites stand end to end, M neighbours (12), F atom features (64), K Gaussians (41).
Equations are those of Xie and Grossman, PRL 120, 145301 (2018), which the paper takes over:

    z_ij = v_i || v_j || u_ij                                                          (their Eq. 5)
    v_i <- g(v_i + sum_j sigmoid(W_f z_ij + b_f) * g(W_s z_ij + b_s)), g = softplus    (their Eq. 5)
    v_c = mean_i v_i                                                                   (their Eq. 6)

As in their program, W_f and W_s are one matrix and batch normalisation follows it and the sum. It is
masked, per channel, with moving statistics at inference: a prediction never depends on the crystals
that share its batch (F27).
"""

import keras
import numpy as np
from keras import layers, ops

from models.beyond_paper import ImprovedCGCNNParameters
from models.table6 import CGCNN_EPSILON, CGCNNParameters

MOMENTUM = 0.98  # slower than Xie and Grossman's 0.9: the statistics of some fifty batches
MAX_STRETCH, MAX_SHIFT = 3.0, 5.0  # of the renormalisation, as in Ioffe's experiments


class GaussianExpansion(layers.Layer):
    """Expand distances (..., ) in Å to exp(-((d - c) / step)^2) for c = 0, step, .. radius (F26)."""

    def __init__(self, radius: float, step: float, **kwargs):
        super().__init__(**kwargs)
        self.radius, self.step = radius, step

    def call(self, distances):
        """Return (..., K)."""
        centres = ops.linspace(0.0, self.radius, round(self.radius / self.step) + 1, dtype=distances.dtype)
        return ops.exp(-ops.square((ops.expand_dims(distances, -1) - centres) / self.step))


class EdgeLinear(layers.Layer):
    """Apply one weight matrix to z_ij = v_i || v_j || u_ij (Xie and Grossman, Eq. 5).

    The matrix acts on v_i and v_j before they are spread over the edges: the same sum for a third
    of the arithmetic, and z is never stored.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, sites_shape, bonds_shape, neighbours_shape):
        """Create the matrix (2F + K, units) and the bias (units,)."""
        rows = 2 * sites_shape[-1] + bonds_shape[-1]
        self.kernel = self.add_weight(shape=(rows, self.units), initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, sites, bonds, neighbours):
        """Return (S, M, units) of sites (S, F), bonds (S, M, K) and neighbour indices (S, M)."""
        width = sites.shape[-1]
        own = ops.matmul(sites, self.kernel[:width]) + self.bias  # (S, 128)
        other = ops.matmul(sites, self.kernel[width : 2 * width])  # (S, 128)
        edge = ops.matmul(bonds, self.kernel[2 * width :])  # (S, M, 128)
        return ops.expand_dims(own, 1) + ops.take(other, neighbours, axis=0) + edge


class MaskedNormalization(layers.Layer):
    """Batch normalisation over the real entries only, per channel, with moving statistics at inference (F27).

    In training the batch's statistics are corrected to the moving ones (batch renormalisation, Ioffe,
    2017): training and inference compute the same function, and the 256 different crystals of a batch
    do not blur each other. Keras' own layer takes a mask as well, but passes over the edges twice as
    often, and they are nearly all of the network's arithmetic. A frozen layer normalises with its
    moving statistics.
    """

    def build(self, inputs_shape, real_shape):
        """Create scale, shift and the moving statistics, (channels,) each."""
        shape = inputs_shape[-1:]
        self.gamma = self.add_weight(shape=shape, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta")
        self.moving_mean = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="moving_mean")
        self.moving_variance = self.add_weight(shape=shape, initializer="ones", trainable=False, name="moving_variance")

    def call(self, inputs, real, training=False):
        """Return the normalised inputs (..., channels); ``real`` (...) marks the real entries."""
        usual = ops.sqrt(self.moving_variance + CGCNN_EPSILON)
        if not (training and self.trainable):
            scale = self.gamma / usual
            return inputs * scale + (self.beta - self.moving_mean * scale)
        mean, variance = _moments(inputs, real)
        deviation = ops.sqrt(variance + CGCNN_EPSILON)
        stretch = ops.stop_gradient(ops.clip(deviation / usual, 1 / MAX_STRETCH, MAX_STRETCH))
        shift = ops.stop_gradient(ops.clip((mean - self.moving_mean) / usual, -MAX_SHIFT, MAX_SHIFT))
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(MOMENTUM * moving + (1 - MOMENTUM) * ops.stop_gradient(now))
        scale = self.gamma * stretch / deviation
        return inputs * scale + (self.beta + self.gamma * shift - mean * scale)


def _moments(inputs, real):
    """Return mean and variance (channels,) of the real entries, each by one matrix product: one pass."""
    flat = ops.reshape(inputs, (-1, inputs.shape[-1]))  # (entries, channels)
    weights = ops.reshape(ops.cast(real, inputs.dtype), (1, -1))
    weights = weights / ops.maximum(ops.sum(weights), 1.0)
    mean = ops.matmul(weights, flat)[0]
    variance = ops.matmul(weights, ops.square(flat))[0] - ops.square(mean)
    return mean, ops.maximum(variance, 0.0)


class GatedSum(layers.Layer):
    """Sum gate times core over the real neighbours: sum_j sigmoid(x_f) * softplus(x_s) (Eq. 5)."""

    def call(self, edges, real):
        """Return (S, F) from ``edges`` (S, M, 2F), gates first; ``real`` (S, M) marks the real ones."""
        gate, core = ops.split(edges, 2, axis=-1)
        messages = ops.sigmoid(gate) * ops.softplus(core)
        return ops.sum(ops.where(ops.expand_dims(real, -1), messages, 0.0), axis=1)


class CrystalMean(layers.Layer):
    """Average the sites of each crystal (Eq. 6; the paper's readout)."""

    def call(self, sites, real, crystal, atoms):
        """Return (B, F) from ``sites`` (S, F).

        ``real`` (S,) marks the real sites, ``crystal`` (S,) is the crystal that each belongs to, and ``atoms`` (B,)
        the number of sites of each crystal.
        """
        sites = ops.where(ops.expand_dims(real, -1), sites, 0.0)
        return ops.segment_sum(sites, crystal, num_segments=ops.shape(atoms)[0]) / ops.expand_dims(atoms, -1)


class WeightedMean(layers.Layer):
    """Average the sites of each crystal with positive weights that the network learns (not in the paper)."""

    def call(self, sites, weights, real, crystal, atoms):
        """Return (B, F) from ``sites`` (S, F) and ``weights`` (S, 1); the rest as in ``CrystalMean``."""
        weights = ops.where(ops.expand_dims(real, -1), weights, 0.0)
        total = ops.segment_sum(weights, crystal, num_segments=ops.shape(atoms)[0])  # (B, 1)
        return ops.segment_sum(sites * weights, crystal, num_segments=ops.shape(atoms)[0]) / total


class TargetScale(layers.Layer):
    """Turn the network's standardised output into the unit of the property: x * std + mean.

    Both numbers are weights, so that they travel with a saved model; training does not move them.
    """

    def build(self, input_shape):
        """Create mean and std, 0 and 1 until ``set_target_scale``."""
        self.mean = self.add_weight(shape=(), initializer="zeros", trainable=False, name="mean")
        self.std = self.add_weight(shape=(), initializer="ones", trainable=False, name="std")

    def call(self, inputs):
        """Return the scaled inputs, of the same shape."""
        return inputs * self.std + self.mean


def graph_inputs(n_neighbours: int) -> dict[str, keras.KerasTensor]:
    """Return the network's inputs, the arrays of ``data_prep.graphs.pack_batch``.

    ``atoms`` must stay first in the alphabet: Keras counts a batch's samples by its first input.
    """
    n = n_neighbours
    return {
        "atoms": keras.Input(batch_shape=(None,), dtype="float32", name="atoms"),  # (B,)
        "numbers": keras.Input(batch_shape=(None,), dtype="int32", name="numbers"),  # (S,)
        "neighbours": keras.Input(batch_shape=(None, n), dtype="int32", name="neighbours"),  # (S, M)
        "distances": keras.Input(batch_shape=(None, n), dtype="float32", name="distances"),  # (S, M), Å
        "edge_mask": keras.Input(batch_shape=(None, n), dtype="bool", name="edge_mask"),  # (S, M)
        "site_mask": keras.Input(batch_shape=(None,), dtype="bool", name="site_mask"),  # (S,)
        "crystal": keras.Input(batch_shape=(None,), dtype="int32", name="crystal"),  # (S,)
    }


def atom_embedding(
    inputs: dict[str, keras.KerasTensor], element_features: np.ndarray, units: int, learned: bool = False
) -> keras.KerasTensor:
    """Look atomic numbers (S,) up in the frozen table (Z, 93) and map them to (S, units).

    ``learned`` adds a vector per element that is trained from zero.
    """
    table = np.asarray(element_features, dtype=np.float32)
    lookup = layers.Embedding(*table.shape, trainable=False, name="element_features")
    sites = lookup(inputs["numbers"])  # (S, 93)
    lookup.set_weights([table])
    sites = layers.Dense(units, name="atom_dense")(sites)  # (S, 64)
    if learned:
        own = layers.Embedding(len(table), units, embeddings_initializer="zeros", name="atom_learned")
        sites = layers.Add(name="atom_sum")([sites, own(inputs["numbers"])])
    return sites


def build_cgcnn(parameters: CGCNNParameters, element_features: np.ndarray) -> keras.Model:
    """Return the network: the arrays of a packed batch (see ``graph_inputs``) to the property, (B, 1).

    ``element_features`` (Z, 93) is the table that atomic numbers are looked up in; it becomes a frozen
    weight. The property has its own unit after ``set_target_scale``. Methods, same section;
    F26, F27; 36,609 trainable parameters at the paper's sizes. Raises ValueError if the readout is unknown.
    """
    p = parameters
    improved = isinstance(p, ImprovedCGCNNParameters)
    inputs = graph_inputs(p.neighbours)
    expand = GaussianExpansion(p.radius, p.gaussian_step, name="gaussians")
    bonds = expand(inputs["distances"])  # (S, M, 41)
    sites = atom_embedding(inputs, element_features, p.atom_features, improved and p.learned_elements)  # (S, 64)
    for step in range(1, p.convolutions + 1):
        sites = _convolution(sites, bonds, inputs, f"convolution_{step}")
    x = _readout(sites, inputs, p.readout if improved else "mean")  # (B, 64)
    x = layers.Activation("softplus", name="readout_softplus")(x)
    x = layers.Dense(p.hidden, activation="softplus", name="hidden")(x)  # (B, 128)
    x = layers.Dense(1, name="standardised")(x)  # (B, 1)
    return keras.Model(inputs, TargetScale(name="target_scale")(x), name="cgcnn")


def _readout(sites, inputs, kind: str):
    """Average the sites (S, F) of each crystal to (B, F), with equal or with learned weights."""
    membership = (inputs["site_mask"], inputs["crystal"], inputs["atoms"])
    if kind == "mean":
        return CrystalMean(name="readout")(sites, *membership)
    if kind == "attention":
        weights = layers.Dense(1, activation="softplus", name="readout_weights")(sites)  # (S, 1)
        return WeightedMean(name="readout")(sites, weights, *membership)
    raise ValueError(f"The readout is '{kind}', it must be 'mean' or 'attention'.")


def _convolution(sites, bonds, inputs, name: str):
    """Update the sites (S, F) from their neighbours (Eq. 5)."""
    width = sites.shape[-1]
    edges = EdgeLinear(2 * width, name=f"{name}_linear")(sites, bonds, inputs["neighbours"])  # (S, M, 128)
    edges = MaskedNormalization(name=f"{name}_edge_norm")(edges, inputs["edge_mask"])
    messages = GatedSum(name=f"{name}_gated_sum")(edges, inputs["edge_mask"])  # (S, 64)
    messages = MaskedNormalization(name=f"{name}_site_norm")(messages, inputs["site_mask"])
    sites = layers.Add(name=f"{name}_residual")([sites, messages])
    return layers.Activation("softplus", name=f"{name}_softplus")(sites)


def set_target_scale(model: keras.Model, targets: np.ndarray) -> None:
    """Store mean and standard deviation of the training targets, so that the network fits standardised ones.

    Targets that are all equal get a deviation of 1. Raises ValueError if a target is not finite or there is none.
    """
    targets = np.asarray(targets, dtype=np.float64)
    if not targets.size or not np.isfinite(targets).all():
        raise ValueError("The targets of a property model must be finite numbers, and at least one of them.")
    scale = model.get_layer("target_scale")
    scale.mean.assign(targets.mean())
    scale.std.assign(targets.std() or 1.0)


def copy_graph_layers(source: keras.Model, target: keras.Model) -> None:
    """Copy the atom embedding and the convolutions of ``source``, not its head, into ``target``.

    The paper's transfer learning: the networks of other properties start from layers that were trained on
    formation energy (Methods, same section). Raises ValueError if the two networks differ in these layers.
    """
    for layer in graph_layers(target):
        layer.set_weights(source.get_layer(layer.name).get_weights())


def graph_layers(model: keras.Model) -> list[layers.Layer]:
    """Return the atom embedding and the layers of the convolutions: what transfer learning carries over."""
    return [layer for layer in model.layers if layer.name.startswith(("atom_", "convolution_"))]
