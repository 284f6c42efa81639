"""The networks in NumPy give what Keras gives, and refuse the arrays of another network."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from data_prep.element_features import element_features
from data_prep.graphs import crystal_graph, pack_batch
from models.beyond_paper import ImprovedCGCNNParameters, ImprovedVAEParameters
from models.cgcnn import build_cgcnn, set_target_scale
from models.forward.cgcnn import CrystalGraphNetwork, distinct_bonds
from models.forward.layers import softplus
from models.forward.vae import Decoder, Encoder
from models.table6 import CGCNNParameters, VAEParameters
from repro.stored_weights import read_network, weights_of
from repro.training.train_vae import build_vae
from tests.data_prep.test_graphs import PEROVSKITE
from tests.support.made_up_crystals import made_up_crystals

PAPER = CGCNNParameters(atom_features=8, hidden=6)
DEEP = ImprovedCGCNNParameters(
    atom_features=8, hidden=6, convolutions=3, learned_elements=True, readout="attention", gaussian_step=0.4
)
VAE = VAEParameters(filters=(2, 3, 4, 5), latent=6, dense=24, conditions=3, condition_copies=2)
IMPROVED = ImprovedVAEParameters(filters=(3, 4, 5), latent=6, dense=2 * 4**3, conditions=3)


def shaken(model: keras.Model, seed: int) -> keras.Model:
    """Return the model with weights as though it had been trained: none is 0 or 1."""
    rng = np.random.default_rng(seed)
    model.set_weights([np.asarray(weight) + 0.02 * rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def graphs():
    """Crystals of 2 to 10 sites; one has sites with missing neighbours, one a site without any."""
    crystals = made_up_crystals(20)
    crystals[0] = replace(crystals[0], lengths=np.array([6.0, 9.0, 30.0]))
    crystals[1] = replace(
        crystals[1],
        lengths=np.full(3, 20.0),
        numbers=np.array([11]),
        fractional=np.zeros((1, 3)),
        angles=np.full(3, 90.0),
    )
    graphs = [crystal_graph(crystal) for crystal in crystals] + [crystal_graph(PEROVSKITE * (2, 1, 1))]
    assert graphs[0].n_missing > 0 and not graphs[1].mask.any()
    return graphs


@pytest.mark.parametrize("parameters", [PAPER, DEEP])
@pytest.mark.parametrize("multiple", [1, 64])
def test_crystal_graph_networks_agree(parameters, multiple, graphs):
    keras.utils.set_random_seed(1)
    model = shaken(build_cgcnn(parameters, element_features()), seed=1)
    set_target_scale(model, np.array([-3.0, 1.0]))
    batch = pack_batch(graphs, multiple)
    expected = keras.ops.convert_to_numpy(model(batch, training=False))[:, 0]
    bonds = distinct_bonds(batch, parameters.radius, parameters.gaussian_step)
    assert bonds.times.sum() == batch["edge_mask"].sum() and len(bonds.times) < 0.7 * bonds.times.sum()
    assert expected.std() > 0.01
    np.testing.assert_allclose(
        CrystalGraphNetwork(parameters, weights_of(model))(bonds), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(("parameters", "grid"), [(VAE, 16), (IMPROVED, 16)])
def test_encoders_and_decoders_agree(parameters, grid):
    keras.utils.set_random_seed(1)
    model, rng = build_vae(parameters, grid), np.random.default_rng(2)
    encoder, decoder = shaken(model.encoder, 3), shaken(model.decoder, 4)
    maps = rng.random((3, grid, grid, grid, 4), dtype=np.float32) * [3, 6, 6, 6]
    given = {"maps": maps, "condition": np.eye(3, dtype=np.float32), "composition": rng.dirichlet(np.ones(95), 3)}
    expected = encoder.predict_on_batch({name: given[name] for name in encoder.input})
    found = Encoder(parameters, grid, weights_of(encoder))(**given)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-5)
    z = rng.normal(size=(3, parameters.latent)).astype(np.float32)
    expected = decoder.predict_on_batch({"z": z, "condition": given["condition"]})
    ours = Decoder(parameters, grid, weights_of(decoder))
    maps, composition = ours(z, given["condition"])
    assert (maps[..., 0] > 0).mean() > 0 and maps.std() > 0.01
    np.testing.assert_allclose(maps, expected["maps"], rtol=1e-5, atol=2e-5)
    assert (composition is None) == ("composition" not in expected)
    if composition is not None:
        np.testing.assert_allclose(composition, expected["composition"], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(ours.composition(z, given["condition"]), composition)


def test_what_keras_writes_is_read(tmp_path):
    model = build_vae(IMPROVED, 16)
    model.save_weights(tmp_path / "vae.weights.h5")
    for part, network in (("encoder", model.encoder), ("decoder", model.decoder)):
        found = read_network(tmp_path / "vae.weights.h5", dict, part)
        assert found.keys() == weights_of(network).keys()
        for name, arrays in weights_of(network).items():
            assert all(np.array_equal(one, other) for one, other in zip(found[name], arrays, strict=True))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(PAPER, hidden=7), r"the layer hidden has \(8, 6\), \(6,\) instead of \(8, 7\), \(7,\)"),
        (replace(PAPER, convolutions=2), "the layer convolution_2_linear has no arrays"),
        (replace(PAPER, convolutions=0), "the layer convolution_1_linear is of another network"),
        (replace(PAPER, gaussian_step=0.4), "the layer convolution_1_linear has"),
    ],
)
def test_arrays_of_another_network_are_refused(other, said):
    arrays = weights_of(build_cgcnn(PAPER, element_features()))
    with pytest.raises(ValueError, match=said):
        CrystalGraphNetwork(other, arrays)


def test_softplus_is_that_of_any_number():
    x = np.array([-200, -20, -1, 0, 1, 20, 70], dtype=np.float32)
    expected = np.logaddexp(0, x.astype(np.float64))
    np.testing.assert_allclose(softplus(x), expected, rtol=1e-6, atol=1e-7)
    large = np.append(x, np.float32(300))
    np.testing.assert_allclose(softplus(large), np.append(expected, 300), rtol=1e-6, atol=1e-7)
