"""Volumes that fit the atoms of a cell: learned from crystals, whatever the size, order and origin of the cell."""

import re

import numpy as np
import pytest

from models.cell_volume import VolumeRegression, describe_sites, fit_volumes
from tests.support.real_structures import table_crystals
from tests.support.structure_types import face_centred, perovskite, rock_salt


def parts(structure) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    numbers = np.array([site.specie.Z for site in structure])
    return numbers, structure.frac_coords, structure.lattice.matrix


# Measured edges in Å of rock salts (CRC Handbook).
EDGES = {
    "LiF": 4.03, "LiCl": 5.14, "LiBr": 5.50, "NaF": 4.63, "NaCl": 5.64, "NaBr": 5.97, "NaI": 6.47, "KF": 5.35,
    "KCl": 6.29, "KBr": 6.60, "KI": 7.07, "RbF": 5.65, "RbCl": 6.58, "RbBr": 6.89, "RbI": 7.34, "MgO": 4.21,
    "MgS": 5.20, "CaO": 4.81, "CaS": 5.69, "SrO": 5.16, "SrS": 6.02, "BaO": 5.54, "BaS": 6.39, "CdO": 4.70,
}  # fmt: skip


def salts(but: str = "") -> list:
    return [rock_salt(*re.findall("[A-Z][a-z]?", name), edge) for name, edge in EDGES.items() if name != but]


@pytest.mark.parametrize("name", ["NaCl", "KBr", "CaS", "SrO"])
def test_a_salt_that_was_left_out_gets_about_its_own_volume(name):
    found = fit_volumes(map(parts, salts(but=name)))
    own = next(one for one in salts() if one.composition.reduced_formula == name)
    numbers, fractional, cell = parts(own)
    assert found.volume(numbers, fractional, 0.7 * cell) == pytest.approx(own.volume, rel=0.06)


def test_size_order_origin_and_axes_of_the_cell_do_not_matter():
    structure = perovskite("Sr", "Ti", "O", 3.9)
    numbers, fractional, cell = parts(structure)
    stoichiometry, features = describe_sites(numbers, fractional, cell)
    assert stoichiometry == (1, 1, 3) and len(features) == 21
    turned = np.roll(cell, 1, axis=1)
    for other in (
        (numbers[::-1], fractional[::-1], cell), (numbers, (fractional + 0.3) % 1, cell),
        (numbers, fractional, 2.5 * cell), (numbers, fractional, turned),
    ):  # fmt: skip
        again = describe_sites(*other)
        assert again[0] == stoichiometry
        np.testing.assert_allclose(again[1], features, atol=1e-8)


def test_structure_types_of_one_formula_differ():
    zincblende, salt = face_centred(5.4, Zn=(0, 0, 0), S=(0.25, 0.25, 0.25)), rock_salt("Zn", "S", 5.1)
    one, other = (describe_sites(*parts(structure))[1] for structure in (zincblende, salt))
    assert np.abs(one - other).max() > 0.5


def test_an_unknown_stoichiometry_has_no_volume():
    found = fit_volumes(map(parts, salts()))
    assert set(found.by_stoichiometry) == {(1, 1)}
    assert found.volume(*parts(perovskite("Sr", "Ti", "O", 3.9))) is None
    assert fit_volumes(map(parts, salts()[:5])).by_stoichiometry == {}  # too few to learn from


def test_the_regression_comes_back_from_its_arrays_and_damaged_ones_are_refused():
    found = fit_volumes(map(parts, salts()))
    arrays = found.arrays()
    again = VolumeRegression.from_arrays(arrays)
    assert again.volume(*parts(salts()[0])) == pytest.approx(found.volume(*parts(salts()[0])))
    for spoiled in (
        arrays | {"1-1 weights": arrays["1-1 weights"][:-1]}, arrays | {"1-1 mean": np.array(np.nan)},
        arrays | {"1-1 scale": 0 * arrays["1-1 scale"]}, {"one": np.zeros(1)},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="do not fit together|not finite|unpack"):
            VolumeRegression.from_arrays(spoiled)
    with pytest.raises(KeyError):
        VolumeRegression.from_arrays({name: array for name, array in arrays.items() if "mean" not in name})


def test_real_crystals_that_were_not_seen_get_their_volumes(shared):
    ids = ["mp-7870", "mp-975530", "mp-973068", "mp-21280", "mp-1065288", "mp-30582", "mp-569823", "mp-983460"]
    assert all(describe_sites(*parts(crystal.structure()))[0] for crystal in table_crystals(shared, ids))
