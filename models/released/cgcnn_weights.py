"""The authors' released CGCNN in the form that its weights require (F26, F27).

Established from the reference outputs of the released weights (agreement to rounding, 1e-5):

- one 169 x 128 matrix acts on own features || neighbour's features || Gaussians, in this order; the
  first 64 outputs are the gate (sigmoid), the last 64 the core (softplus);
- both normalisations use one scalar mean and variance over all channels of all real edges (real sites)
  of the current batch, also for predictions, epsilon 1e-5, then a scale and shift per channel: **a
  prediction depends on the other crystals of its batch** (F27);
- padded sites take no part, so the release's padding to 50 sites has no effect;
- neighbours at equal distance keep the order of the search (``ties="as_found"`` of
  ``data_prep.graphs.crystal_graph``): another choice of the twelfth neighbour changes the prediction of
  a cubic perovskite by 0.02 eV/atom;
- a neighbour missing within the radius takes no part in the reference outputs. The release's own
  program enters site 0 at 9 Å instead and counts this edge as real, and the weights were trained like
  that; ``fill_missing`` does the same. On 512 structures (19 with such a site, batches of 256) the
  formation energy's mean error is 0.151 eV/atom without it and 0.076 with it.

For our own predictions use ``models.cgcnn``.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import h5py
import keras
import numpy as np
from keras import layers, ops

from data_prep.errors import InputError
from models.cgcnn import CrystalMean, EdgeLinear, GatedSum, GaussianExpansion, atom_embedding, graph_inputs
from models.table6 import CGCNNParameters

N_FEATURES = 93  # F26
# Our layer -> names and shapes of its arrays in the file; dense layers are found by the shape of the kernel.
_CONVOLUTION = {
    "convolution_1_linear": {"graph_conv_weight": (169, 128), "graph_conv_bias": (128,)},
    "convolution_1_edge_norm": {"gamma_1": (128,), "beta_1": (128,)},
    "convolution_1_site_norm": {"gamma_2": (64,), "beta_2": (64,)},
}
_DENSE = {"atom_dense": (93, 64), "hidden": (64, 128), "property": (128, 1)}


class BatchScalarNormalization(layers.Layer):
    """Normalise by one scalar mean and variance of the batch, then scale and shift per channel (F27)."""

    def build(self, inputs_shape, real_shape):
        """Create gamma and beta, (channels,)."""
        self.gamma = self.add_weight(shape=(inputs_shape[-1],), initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=(inputs_shape[-1],), initializer="zeros", name="beta")

    def call(self, inputs, real):
        """Return the normalised inputs (..., channels); ``real`` (...) marks entries that are not padding."""
        weights = ops.cast(ops.expand_dims(real, -1), inputs.dtype)
        count = ops.maximum(ops.sum(weights) * inputs.shape[-1], 1.0)
        mean = ops.sum(inputs * weights) / count
        variance = ops.sum(ops.square(inputs - mean) * weights) / count
        return (inputs - mean) / ops.sqrt(variance + 1e-5) * self.gamma + self.beta


def released_cgcnn(weights: Path, atom_init: Path | None = None) -> keras.Model:
    """Return the authors' network with their weights: the arrays of a packed batch to the property, (B, 1).

    ``weights`` is one of ``cgcnn_weights.*.best.hdf5`` (eV/atom for the energies, ln(GPa) for the bulk
    modulus, F28); ``atom_init`` their element features, by default ``atom_init.json`` beside it. Inputs
    are those of ``models.cgcnn.graph_inputs``. Raises InputError if a file is unreadable or belongs to
    another network.
    """
    weights = Path(weights)
    table = load_atom_init(atom_init or weights.parent / "atom_init.json")
    arrays = _read_arrays(weights)
    model = _build(CGCNNParameters(), table)
    for name, values in arrays.items():
        model.get_layer(name).set_weights(values)
    return model


def predict_released(
    model: keras.Model, batches: Iterable[dict[str, np.ndarray]], fill_missing: bool = False
) -> np.ndarray:
    """Return the released network's predictions (n,) for the crystals of all batches, in their order.

    Each batch holds the arrays of ``data_prep.graphs.pack_batch``; the predictions depend on the other
    crystals of a batch (F27). ``fill_missing`` treats missing neighbours of real sites as the release's
    program does (see the docstring of this module).
    """
    answers = []
    for batch in batches:
        if fill_missing:
            every = np.broadcast_to(batch["site_mask"][:, None], batch["edge_mask"].shape)
            batch = {**batch, "edge_mask": every}
        answers.append(ops.convert_to_numpy(model(batch, training=False))[:, 0])
    return np.concatenate(answers)


def load_atom_init(path: Path) -> np.ndarray:
    """Return the features of ``atom_init.json``, (highest Z + 1, 93) float32 with a zero row for Z = 0.

    Raises InputError if the file is not a table of 93 numbers per atomic number.
    """
    try:
        rows = {int(z): row for z, row in json.loads(Path(path).read_text(encoding="utf-8")).items()}
        features = np.array([rows[z] for z in range(1, len(rows) + 1)], dtype=np.float32)
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise InputError(f"{path} is not a readable table of element features: {error}.") from error
    if features.ndim != 2 or features.shape[1] != N_FEATURES or not np.isfinite(features).all():
        raise InputError(f"{path} must hold {N_FEATURES} finite numbers for each of Z = 1, 2, ...")
    return np.vstack([np.zeros((1, N_FEATURES), dtype=np.float32), features])


def _build(p: CGCNNParameters, table: np.ndarray) -> keras.Model:
    inputs = graph_inputs(p.neighbours)
    bonds = GaussianExpansion(p.radius, p.gaussian_step, name="gaussians")(inputs["distances"])
    sites = atom_embedding(inputs, table, p.atom_features)  # (S, 64)
    linear = EdgeLinear(2 * p.atom_features, name="convolution_1_linear")
    edges = linear(sites, bonds, inputs["neighbours"])  # (S, 12, 128)
    edges = BatchScalarNormalization(name="convolution_1_edge_norm")(edges, inputs["edge_mask"])
    messages = GatedSum(name="convolution_1_gated_sum")(edges, inputs["edge_mask"])  # (S, 64)
    messages = BatchScalarNormalization(name="convolution_1_site_norm")(messages, inputs["site_mask"])
    sites = layers.Activation("softplus", name="convolution_1_softplus")(sites + messages)
    x = CrystalMean(name="readout")(sites, inputs["site_mask"], inputs["crystal"], inputs["atoms"])  # (B, 64)
    x = layers.Activation("softplus", name="readout_softplus")(x)
    x = layers.Dense(p.hidden, activation="softplus", name="hidden")(x)
    return keras.Model(inputs, layers.Dense(1, name="property")(x), name="released_cgcnn")


def _read_arrays(path: Path) -> dict[str, list[np.ndarray]]:
    """Return the arrays of each of our layers by its name, from the file's group ``model_weights``."""
    found: dict[str, dict[str, np.ndarray]] = {}  # layer in the file -> array name -> array
    try:
        with h5py.File(path, "r") as file:
            for layer, group in file["model_weights"].items():
                names = [name.decode() for name in group.attrs["weight_names"]]
                if names:
                    found[layer] = {name.split("/")[-1].split(":")[0]: group[name][()] for name in names}
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(f"{path} is not a readable CGCNN weight file: {error}.") from error
    arrays = [array for layer in found.values() for array in layer.values()]
    if len(arrays) != 12:
        raise InputError(f"{path} holds {len(arrays)} arrays, not 12: it is not the released CGCNN.")
    if not all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays):
        raise InputError(f"{path} holds weights that are not finite numbers: fetch the file again.")
    return _match(found, path)


def _match(found: dict[str, dict[str, np.ndarray]], path: Path) -> dict[str, list[np.ndarray]]:
    """Assign the file's arrays to our layers by name and shape."""
    merged = {name: array for layer in found.values() for name, array in layer.items()}
    matched = {}
    for ours, wanted in _CONVOLUTION.items():
        if any(name not in merged or merged[name].shape != shape for name, shape in wanted.items()):
            raise InputError(f"{path} lacks {' or '.join(wanted)}, or one has another shape than {wanted}.")
        matched[ours] = [merged[name] for name in wanted]
    dense = {layer["kernel"].shape: layer for layer in found.values() if set(layer) == {"kernel", "bias"}}
    for ours, shape in _DENSE.items():
        if shape not in dense or dense[shape]["bias"].shape != shape[1:]:
            raise InputError(f"{path} lacks a dense layer of shape {shape}: it is not the released CGCNN.")
        matched[ours] = [dense[shape]["kernel"], dense[shape]["bias"]]
    return matched
