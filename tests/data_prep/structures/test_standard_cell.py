"""The standard primitive cell: a crystal has one, whatever basis, origin, order, direction or supercell it came in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.quarantine import screen
from data_prep.sources.cells import in_cell, in_standard_cell
from data_prep.structures.standard_cell import has_standard_axes
from tests.support.inputs import inputs
from tests.support.structure_types import perovskite, rock_salt

SPACE_GROUPS = ("P2_13", "Pa-3", "Fm-3m", "F-43m", "Im-3m", "P-43n", "Fd-3m", "Pm-3m")
SKEWED = np.array([[1, 0, 0], [-1, 1, 0], [1, 0, 1]])


@st.composite
def cubic_crystals(draw) -> Structure:
    """Draw a cubic crystal of two elements: one on a special place of three equal coordinates, one anywhere near it."""
    group, edge = draw(st.sampled_from(SPACE_GROUPS)), draw(st.floats(9, 12))
    place = draw(st.sampled_from((0.0, 0.125, 0.25)) | st.floats(0.03, 0.22))
    other = draw(st.sampled_from(([0.5] * 3, [0.375] * 3, [0.5, 0.5, 0.0], [0.3, 0.3, 0.3])))
    first, second = draw(st.sampled_from((("Na", "Cl"), ("Cl", "Na"), ("Zn", "S"))))
    whole = Structure.from_spacegroup(group, Lattice.cubic(edge), [first, second], [[place] * 3, other])
    return whole.get_primitive_structure()


@st.composite
def given_otherwise(draw, structure: Structure) -> Structure:
    """Draw the same crystal in another basis, or a supercell, moved, turned, its sites in another order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    basis = np.eye(3, dtype=int)
    for _ in range(draw(st.integers(0, 4))):
        to, of = rng.permutation(3)[:2]
        basis[to] += rng.integers(-1, 2) * basis[of]
    if draw(st.booleans()) and len(structure) <= 16:
        basis = np.diag(rng.permutation([1, 1, 2])) @ basis
    cell = structure.copy().make_supercell(basis)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))  # no reflection
    order = rng.permutation(len(cell))
    species = [cell[int(site)].specie for site in order]
    return Structure(Lattice(cell.lattice.matrix @ turn), species, (cell.frac_coords + rng.random(3))[order])


def assert_same(one: Crystal, other: Crystal) -> None:
    assert one.numbers.tolist() == other.numbers.tolist()
    np.testing.assert_allclose(one.lengths, other.lengths, atol=1e-4)
    np.testing.assert_allclose(one.angles, other.angles, atol=1e-4)
    apart = one.fractional - other.fractional
    np.testing.assert_allclose(apart - np.round(apart), 0, atol=1e-4)


@inputs(0.3)
@given(data=st.data(), structure=cubic_crystals())
def test_the_cell_does_not_depend_on_how_the_crystal_was_given(data, structure):
    if not structure.is_valid(tol=0.5):
        return
    standard = in_standard_cell(crystal_from_structure(structure, "it"))
    other = in_standard_cell(crystal_from_structure(data.draw(given_otherwise(structure)), "it"))
    assert_same(standard, other)
    assert has_standard_axes(standard.lengths, standard.angles)
    assert standard.formula == structure.composition.reduced_formula
    volume = standard.structure().volume / standard.n_sites
    assert volume == pytest.approx(structure.volume / len(structure), rel=1e-6)
    assert_same(in_standard_cell(standard), standard)


@pytest.mark.parametrize(
    ("structure", "lengths", "angle", "species", "places"),
    [
        (rock_salt("Na", "Cl", 5.64), 5.64 / 2**0.5, 60.0, [11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        (
            perovskite("Sr", "Ti", "O", 3.9), 3.9, 90.0, [38, 22, 8, 8, 8],
            [[0, 0, 0], [0.5, 0.5, 0.5], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
        ),
        (
            Structure.from_spacegroup("F-43m", Lattice.cubic(5.4), ["S", "Zn"], [[0, 0, 0], [0.75] * 3]),
            5.4 / 2**0.5, 60.0, [30, 16], [[0, 0, 0], [0.25, 0.25, 0.25]],
        ),
        (
            Structure.from_spacegroup(
                "Im-3m", Lattice.cubic(3.2), ["W"], [[0, 0, 0]]
            ),
            3.2 * 0.75**0.5, 109.4712, [74], [[0, 0, 0]],
        ),
    ],
)  # fmt: skip
def test_axes_and_origin_are_those_that_are_stated(structure, lengths, angle, species, places):
    found = in_standard_cell(crystal_from_structure(structure, "it"))
    np.testing.assert_allclose(found.lengths, lengths, atol=1e-6)
    np.testing.assert_allclose(found.angles, angle, atol=1e-3)
    assert found.numbers.tolist() == species
    np.testing.assert_allclose(found.fractional, places, atol=1e-6)


def test_a_chiral_crystal_does_not_become_its_mirror_image():
    left = Structure.from_spacegroup("P2_13", Lattice.cubic(4.5), ["Si", "Fe"], [[0.155] * 3, [0.865] * 3])
    right = Structure(left.lattice, left.species, -left.frac_coords)
    one, other = (in_standard_cell(crystal_from_structure(it, "it")) for it in (left, right))
    apart = one.fractional - other.fractional
    assert np.abs(apart - np.round(apart)).max() > 0.05


def test_only_cells_with_other_axes_are_changed_by_the_screen():
    salt = rock_salt("Na", "Cl", 5.64).get_primitive_structure()
    usual = crystal_from_structure(Structure(salt.lattice, salt.species, salt.frac_coords + 0.31), "usual", -2.0)
    skewed = salt.copy().make_supercell(SKEWED)
    skewed = crystal_from_structure(
        Structure(skewed.lattice, skewed.species, skewed.frac_coords + 0.31), "skewed", -2.0
    )
    assert np.ptp(skewed.angles) > 20
    kept, rejected = screen([skewed, usual])
    assert rejected == [] and kept[1].fractional is usual.fractional  # bit for bit
    assert (kept[0].id, kept[0].formation_energy_per_atom, kept[0].properties) == ("skewed", -2.0, {"spacegroup": 225})
    np.testing.assert_allclose(kept[0].lengths, 5.64 / 2**0.5, atol=1e-6)
    np.testing.assert_allclose(kept[0].angles, 60, atol=1e-4)
    np.testing.assert_allclose(kept[0].fractional, [[0, 0, 0], [0.5, 0.5, 0.5]], atol=1e-6)


def test_a_primitive_cell_that_is_not_cubic_is_kept():
    zincite = Structure.from_spacegroup(
        "P6_3mc", Lattice.hexagonal(3.25, 5.2), ["Zn", "O"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.38]]
    )
    skewed = zincite.copy().make_supercell(SKEWED)
    assert in_cell(skewed, "primitive")[0] is skewed
