"""The UNet that also receives local Gaussians: what they are for one atom, and the element that they choose."""

import keras
import numpy as np

from data_prep.box import box_positions, voxel_edges, voxel_positions
from data_prep.elements import ionic_radii
from data_prep.voxelize import input_maps, voxelize
from models.beyond_paper import ImprovedUNetParameters
from models.decoding.species import allowed_elements
from models.improved_unet import FLOOR, LocalGaussians, NearestElement, build_improved_unet
from models.table6 import UNetParameters
from models.unet import build_unet
from repro.training.train_unet import build_segmenter

RADII = ionic_radii()
GRID = 32
GOLD = 79


def gold_atom() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return maps of one atom in a cell of three lengths, offsets (G, G, G, 3) to it in radii, and the voxel edges."""
    fractional, lengths = np.array([[0.5, 0.5, 0.5]]), np.array([5.0, 5.5, 6.0])
    density, _ = voxelize(np.array([GOLD]), fractional, lengths, RADII, GRID)
    index = np.stack(np.meshgrid(*[np.arange(GRID)] * 3, indexing="ij"), axis=-1)
    edges = voxel_edges(lengths, GRID)
    centres = voxel_positions(index.reshape(-1, 3), edges, GRID).reshape(index.shape)
    offsets = box_positions(fractional, lengths)[0] - centres
    return input_maps(density, lengths), offsets / RADII[GOLD], edges


def test_the_local_gaussian_of_a_single_atom_is_that_atom():
    """Inside the atom, where the floor under the logarithm is negligible."""
    maps, offsets, edges = gold_atom()
    found = keras.ops.convert_to_numpy(LocalGaussians()(maps[None]))[0]
    inside = np.linalg.norm(offsets, axis=-1) < 1
    assert maps[inside][:, 0].min() > 100 * FLOOR and inside.sum() > 100
    elements = allowed_elements(RADII)
    amplitude = elements.amplitudes[elements.numbers == GOLD][0]
    np.testing.assert_allclose(found[inside][:, 0], np.log(amplitude), atol=0.02)
    np.testing.assert_allclose(found[inside][:, 1], np.log(RADII[GOLD]), atol=0.02)
    np.testing.assert_allclose(found[inside][:, 2], np.sum(offsets[inside] ** 2, axis=-1), atol=0.03)
    np.testing.assert_allclose(found[inside][:, 3], np.log(maps[inside][:, 0] + FLOOR), rtol=1e-4)
    np.testing.assert_allclose(found[inside][:, 4:7], offsets[inside], atol=0.03)
    np.testing.assert_allclose(found[..., 7], np.log(edges.mean()), rtol=1e-5)


def test_before_the_training_an_atom_is_occupied_up_to_its_radius():
    """Near an atom: the part of the occupancy that needs no training is 0, a probability of 1/2, at the radius (F7)."""
    maps, offsets, _ = gold_atom()
    model = build_improved_unet(ImprovedUNetParameters(filters=2), RADII)
    inside = keras.Model(model.input, model.get_layer("inside").output)(maps[None], training=False)
    distances = np.linalg.norm(offsets, axis=-1)
    near = (distances < 1.5) & (np.abs(distances - 1) > 0.02)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(inside)[0, ..., 0][near] > 0, distances[near] < 1)


def test_the_most_probable_species_is_the_element_of_the_gaussian():
    elements = allowed_elements(RADII)
    values = np.stack([np.log(elements.amplitudes), np.log(elements.radii)], axis=-1)
    gaussians = np.concatenate([values, np.full_like(values, np.log(1e-3))], axis=-1)[:, None, None, None]
    occupied = np.full((len(values), 1, 1, 1, 1), 0.75)
    found = NearestElement(RADII)(gaussians.astype(np.float32), occupied.astype(np.float32))
    species = keras.ops.convert_to_numpy(found)[:, 0, 0, 0]
    assert species.shape == (94, 95)
    np.testing.assert_allclose(species[:, 0], 0.25, rtol=1e-5)
    np.testing.assert_allclose(species.sum(axis=1), 1.0, rtol=1e-5)
    chosen = species[:, 1:].argmax(axis=1) + 1
    same = np.abs(values[chosen - 1] - values).max(axis=1)  # elements with nearly one amplitude and radius
    assert (chosen == elements.numbers).mean() > 0.9 and same.max() < 0.02


def test_shapes_and_the_choice_between_both_networks():
    parameters = ImprovedUNetParameters(filters=2)
    model = build_segmenter(parameters, "ionic")
    output = model(np.zeros((1, 8, 8, 8, 4), np.float32), training=False)
    assert output["species"].shape == (1, 8, 8, 8, 95) and output["occupied"].shape == (1, 8, 8, 8, 1)
    assert model.count_params() == build_improved_unet(parameters, RADII).count_params()
    plain = build_segmenter(UNetParameters(filters=2), "ionic")
    assert plain.count_params() == build_unet(UNetParameters(filters=2)).count_params() != model.count_params()
