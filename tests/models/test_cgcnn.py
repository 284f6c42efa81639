"""The crystal graph network: parameters, independence of the batch, scale, transfer, backends."""

import os
import subprocess
import sys
from dataclasses import asdict, replace

import keras
import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from data_prep.element_features import element_features
from data_prep.graphs import build_graphs, crystal_graph, pack_batch
from models.beyond_paper import ImprovedCGCNNParameters
from models.cgcnn import (
    EdgeLinear,
    GaussianExpansion,
    MaskedNormalization,
    build_cgcnn,
    copy_graph_layers,
    set_target_scale,
)
from models.table6 import CGCNNParameters
from tests.data_prep.test_graphs import PEROVSKITE
from tests.support.made_up_crystals import made_up_crystals

SMALL = replace(CGCNNParameters(), atom_features=8, hidden=16, convolutions=2)


@pytest.fixture(scope="module")
def graphs():
    """32 crystals of 2, 4 and 5 sites; one has sites with missing neighbours."""
    crystals = made_up_crystals(32)
    crystals[0] = replace(crystals[0], lengths=np.array([6.0, 9.0, 30.0]))
    graphs = build_graphs(crystals, processes=1)
    assert graphs[0].n_missing > 0
    return graphs


@pytest.fixture(scope="module")
def targets():
    return np.array([crystal.formation_energy_per_atom for crystal in made_up_crystals(32)])


@pytest.fixture(scope="module")
def trained(graphs, targets):
    """A full-size network after a few steps, so that the moving statistics are not those of the start."""
    keras.utils.set_random_seed(1)
    model = build_cgcnn(CGCNNParameters(), element_features())
    set_target_scale(model, targets)
    model.compile(keras.optimizers.Adam(5e-3), "mae", run_eagerly=True)  # tracing would cost more
    batch = pack_batch(graphs)
    losses = [model.train_on_batch(batch, targets) for _ in range(6)]
    assert losses[-1] < 0.8 * losses[0]
    return model


def predict(model, graphs, multiple=64):
    return keras.ops.convert_to_numpy(model(pack_batch(graphs, multiple), training=False))[:, 0]


def test_parameter_count():
    model = build_cgcnn(CGCNNParameters(), element_features())
    trainable = {
        "atom_dense": 93 * 64 + 64,
        "convolution_1_linear": (64 + 64 + 41) * 128 + 128,  # F26: 169 x 128, gate and core
        "convolution_1_edge_norm": 2 * 128,
        "convolution_1_site_norm": 2 * 64,
        "hidden": 64 * 128 + 128,
        "standardised": 128 + 1,
    }
    counted = {
        layer.name: sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)
        for layer in model.layers
        if layer.trainable_weights
    }
    assert counted == trainable and sum(trainable.values()) == 36_609
    # Beside them: moving statistics of both normalisations, the element table, the target's scale.
    assert model.count_params() == 36_609 + (2 * 128 + 2 * 64) + 95 * 93 + 2


def test_the_deeper_network_weighs_its_sites_and_learns_its_elements(graphs):
    keras.utils.set_random_seed(6)
    deeper = ImprovedCGCNNParameters(**asdict(SMALL), learned_elements=True, readout="attention")
    model = build_cgcnn(deeper, element_features())
    plain = build_cgcnn(SMALL, element_features())
    assert model.count_params() == plain.count_params() + 95 * 8 + (8 + 1)  # a vector per element, weights of sites
    answers = predict(model, graphs)
    np.testing.assert_allclose(predict(model, graphs, multiple=500), answers, atol=1e-5)
    np.testing.assert_allclose(predict(model, graphs[5:9]), answers[5:9], atol=1e-5)
    small, doubled = predict(model, [crystal_graph(PEROVSKITE), crystal_graph(PEROVSKITE * (2, 1, 1))])
    assert small == pytest.approx(doubled, abs=1e-5)
    with pytest.raises(ValueError, match="readout is 'sum'"):
        build_cgcnn(replace(deeper, readout="sum"), element_features())


def test_statistics_have_moved(trained):
    for name in ("convolution_1_edge_norm", "convolution_1_site_norm"):
        norm = trained.get_layer(name)
        assert np.abs(np.asarray(norm.moving_mean)).max() > 0.01
        assert np.abs(np.asarray(norm.moving_variance) - 1.0).max() > 0.01
        assert np.asarray(norm.moving_mean).shape == (norm.gamma.shape[0],)


def test_an_answer_does_not_depend_on_the_batch(trained, graphs):
    alone = np.array([predict(trained, [graph])[0] for graph in graphs[:12]])
    assert alone.std() > 0.01
    together = predict(trained, graphs)
    np.testing.assert_allclose(together[:12], alone, atol=1e-5)
    np.testing.assert_allclose(predict(trained, graphs, multiple=500), together, atol=1e-5)
    order = np.random.default_rng(0).permutation(256) % 32
    np.testing.assert_allclose(predict(trained, [graphs[i] for i in order]), together[order], atol=1e-5)


def test_an_answer_does_not_depend_on_the_description_of_the_crystal(trained):
    moved = PEROVSKITE.copy()
    moved.translate_sites(list(range(5)), [0.3, 0.1, 0.7])
    same = [PEROVSKITE, moved, PEROVSKITE * (2, 1, 1), type(PEROVSKITE).from_sites(moved.sites[::-1])]
    answers = predict(trained, [crystal_graph(structure) for structure in same])
    np.testing.assert_allclose(answers, answers[0], atol=1e-5)


def test_padding_takes_no_part_in_training_statistics(graphs):
    moved = []
    for multiple in (1, 500):
        keras.utils.set_random_seed(3)
        model = build_cgcnn(SMALL, element_features())
        model(pack_batch(graphs, multiple), training=True)
        moved.append([np.asarray(weight) for weight in model.non_trainable_weights])
    for small, large in zip(*moved, strict=True):
        np.testing.assert_allclose(small, large, rtol=1e-4, atol=1e-6)


def test_normalisation_is_that_of_the_real_edges(graphs):
    keras.utils.set_random_seed(4)
    model = build_cgcnn(replace(SMALL, convolutions=1), element_features())
    batch = pack_batch(graphs)
    linear = keras.Model(model.inputs, model.get_layer("convolution_1_linear").output)
    inputs = [batch[tensor.name] for tensor in model.inputs]
    edges = np.asarray(linear(inputs))[batch["edge_mask"]]  # real edges only
    model(batch, training=True)
    norm = model.get_layer("convolution_1_edge_norm")
    np.testing.assert_allclose(np.asarray(norm.moving_mean), 0.02 * edges.mean(0), atol=1e-5)
    np.testing.assert_allclose(np.asarray(norm.moving_variance), 0.98 + 0.02 * edges.var(0), rtol=1e-4)


def test_an_isolated_site_has_an_answer(trained):
    graph = crystal_graph(Structure(Lattice.cubic(30.0), ["Xe"], [[0, 0, 0]]))
    assert graph.n_missing == 12 and np.isfinite(predict(trained, [graph])).all()


def test_edge_linear_is_one_matrix_on_the_concatenation():
    rng = np.random.default_rng(0)
    sites, bonds = rng.normal(size=(5, 3)).astype("f"), rng.normal(size=(5, 4, 6)).astype("f")
    neighbours = rng.integers(0, 5, (5, 4)).astype("int32")
    layer = EdgeLinear(7)
    found = np.asarray(layer(sites, bonds, neighbours))
    kernel, bias = (np.asarray(weight) for weight in layer.weights)
    for i, j in np.ndindex(5, 4):
        z = np.concatenate([sites[i], sites[neighbours[i, j]], bonds[i, j]])
        np.testing.assert_allclose(found[i, j], z @ kernel + bias, atol=1e-5)


def test_training_normalises_with_the_moving_statistics_once_they_are_known():
    keras.utils.set_random_seed(5)
    layer = MaskedNormalization()
    inputs = np.random.default_rng(0).normal(3.0, 2.0, (400, 12, 3)).astype("f")
    real = np.random.default_rng(1).random((400, 12)) < 0.9
    first = np.asarray(layer(inputs, real, training=True))[real]
    for _ in range(400):
        layer(inputs, real, training=True)
    trained, inferred = (np.asarray(layer(inputs, real, training=mode))[real] for mode in (True, False))
    np.testing.assert_allclose(trained, inferred, atol=5e-3)
    np.testing.assert_allclose(inferred.mean(0), 0.0, atol=1e-2)
    np.testing.assert_allclose(inferred.std(0), 1.0, atol=1e-2)
    assert np.abs(first.mean(0) - 3.0).max() < 0.2  # at the start the moving statistics are 0 and 1
    before = np.asarray(layer.moving_mean).copy()
    layer.trainable = False
    np.testing.assert_allclose(np.asarray(layer(inputs + 9, real, training=True))[real], inferred + 9 / 2, atol=0.2)
    np.testing.assert_array_equal(np.asarray(layer.moving_mean), before)


def test_gaussians_are_centred_on_multiples_of_a_fifth():
    """The width is the step and there is no factor 2 (F26)."""
    distances = np.array([[0.0, 1.0], [8.0, 20.0]], dtype="f")
    expanded = np.asarray(GaussianExpansion(8.0, 0.2)(distances))
    assert expanded.shape == (2, 2, 41) and expanded.dtype == np.float32
    assert expanded[0, 0, 0] == 1.0 and expanded[0, 1].argmax() == 5 and expanded[1, 0, 40] == 1.0
    np.testing.assert_allclose(expanded[0, 1, 6], np.exp(-1.0), rtol=1e-5)  # one width away
    assert expanded[1, 1].max() == 0.0
    centres = np.arange(41) / 5
    expected = np.exp(-(((distances[..., None] - centres) / 0.2) ** 2))
    np.testing.assert_allclose(expanded, expected, atol=1e-5)


def test_compiled_prediction_agrees_and_takes_any_size(trained, graphs):
    parts = (graphs[:10], graphs[10:12], graphs[12:])
    found = np.concatenate([trained.predict_on_batch(pack_batch(part))[:, 0] for part in parts])
    np.testing.assert_allclose(found, predict(trained, graphs), atol=1e-5)


def test_weights_carry_statistics_scale_and_element_table(trained, graphs, targets, tmp_path):
    path = tmp_path / "cgcnn.weights.h5"
    trained.save_weights(path)
    model = build_cgcnn(CGCNNParameters(), np.zeros((95, 93)))
    model.load_weights(path)
    np.testing.assert_array_equal(predict(model, graphs), predict(trained, graphs))
    assert float(model.get_layer("target_scale").mean) == pytest.approx(targets.mean(), rel=1e-6)


def test_target_scale_turns_standardised_outputs_into_units(graphs):
    model = build_cgcnn(SMALL, element_features())
    standardised = predict(model, graphs)
    set_target_scale(model, np.array([1.0, 5.0]))
    np.testing.assert_allclose(predict(model, graphs), standardised * 2.0 + 3.0, rtol=1e-5, atol=1e-5)
    set_target_scale(model, np.array([7.0, 7.0]))
    np.testing.assert_allclose(predict(model, graphs), standardised + 7.0, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="finite"):
        set_target_scale(model, np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="at least one"):
        set_target_scale(model, np.array([]))


def test_transfer_copies_everything_but_the_head(trained):
    keras.utils.set_random_seed(9)
    model = build_cgcnn(CGCNNParameters(), element_features())
    head = [np.asarray(weight) for name in ("hidden", "standardised") for weight in model.get_layer(name).weights]
    copy_graph_layers(trained, model)
    for name in ("atom_dense", "convolution_1_linear", "convolution_1_edge_norm", "convolution_1_site_norm"):
        for copied, source in zip(model.get_layer(name).weights, trained.get_layer(name).weights, strict=True):
            np.testing.assert_array_equal(np.asarray(copied), np.asarray(source))
    kept = [weight for name in ("hidden", "standardised") for weight in model.get_layer(name).weights]
    assert all((np.asarray(new) == old).all() for new, old in zip(kept, head, strict=True))
    with pytest.raises(ValueError):
        copy_graph_layers(trained, build_cgcnn(replace(CGCNNParameters(), atom_features=32), element_features()))


@pytest.mark.slow
def test_another_backend_gives_the_same_answers(trained, graphs, tmp_path):
    pytest.importorskip("jax")
    trained.save_weights(tmp_path / "cgcnn.weights.h5")
    np.savez(tmp_path / "batch.npz", **pack_batch(graphs))
    program = (
        "import sys, keras, numpy as np; from models.cgcnn import build_cgcnn; from models.table6 import *\n"
        "assert keras.backend.backend() == 'jax'\n"
        "model = build_cgcnn(CGCNNParameters(), np.zeros((95, 93)))\n"
        "model.load_weights(sys.argv[1] + '/cgcnn.weights.h5')\n"
        "batch = dict(np.load(sys.argv[1] + '/batch.npz'))\n"
        "np.save(sys.argv[1] + '/answers.npy', model.predict_on_batch(batch)[:, 0])\n"
        "model.compile('adam', 'mae')\n"
        "losses = [model.train_on_batch(batch, np.arange(32.0)) for _ in range(5)]\n"
        "assert losses[-1] < losses[0], losses\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=environment, check=True, timeout=300)
    np.testing.assert_allclose(np.load(tmp_path / "answers.npy"), predict(trained, graphs), atol=1e-5)
