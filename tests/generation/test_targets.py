"""Targets of generation: draws, bases, conditions."""

from dataclasses import fields

import numpy as np
import pytest
from pymatgen.core import Structure

from data_prep.errors import InputError
from models.latent_sampler import LatentSampler
from repro.generation.bases import find_base
from repro.generation.generator import Generator
from repro.generation.request import Request
from repro.generation.targets import (
    around,
    at_random,
    beside,
    in_turn,
    pipeline_targets,
    requested_targets,
)
from repro.presets import GenerateParameters
from repro.training.dataset import Dataset
from tests.support.made_up_crystals import made_up_crystals
from tests.support.structure_types import rock_salt

CRYSTALS = made_up_crystals(30)
EDGES = np.linspace(-2.5, -0.1, 9)


def dataset():
    parts = np.array(["train"] * 24 + ["test"] * 6)
    energies = np.array([crystal.formation_energy_per_atom for crystal in CRYSTALS])
    return Dataset(CRYSTALS, parts, EDGES, np.searchsorted(EDGES, energies))


def test_latents_around_a_base_have_its_centre_and_the_spread():
    """The release's "variance 0.5" is a standard deviation (F18)."""
    centre, target = np.linspace(-2, 2, 64), around(CRYSTALS[0], 3, 400, 0.5, seed=0)
    z = np.stack([target.latent(number, centre) for number in range(400)])
    np.testing.assert_allclose(z.mean(axis=0), centre, atol=0.1)
    assert (z - centre).std() == pytest.approx(0.5, abs=0.01)


def test_a_latent_depends_on_seed_condition_and_number_alone():
    def latent(condition: int, seed: int, number: int) -> np.ndarray:
        return at_random(condition, 50, seed).latent(number, np.zeros(16))

    np.testing.assert_array_equal(latent(2, 7, 30), latent(2, 7, 30))
    for other in (latent(2, 8, 30), latent(3, 7, 30), latent(2, 7, 31)):
        assert (latent(2, 7, 30) != other).all()


def test_samples_are_taken_from_all_targets_in_turn():
    one, other = at_random(0, 3, 0), at_random(1, 1, 0)
    assert in_turn([one, other]) == [(one, 0), (other, 0), (one, 1), (one, 2)]
    assert in_turn([]) == []


def test_targets_of_different_settings_have_different_digests():
    targets = [around(CRYSTALS[0], 1, 9, 0.5, 0), around(CRYSTALS[0], 1, 9, 0.6, 0), around(CRYSTALS[1], 1, 9, 0.5, 0)]
    targets += [at_random(1, 9, 0), at_random(2, 9, 0), at_random(1, 9, 1)]
    targets += [beside(CRYSTALS[0], 1, 9, 0.5, 0), beside(CRYSTALS[0], 1, 9, 0.6, 0)]
    two, three = np.array([1, 2]), np.array([1, 2, 3])
    assert len({target.digest(allowed) for target in targets for allowed in (two, three)}) == 2 * len(targets)


@pytest.mark.parametrize("name", ["base.cif", "POSCAR", "base.vasp"])
def test_a_base_is_the_same_from_every_cell_and_file(tmp_path, name):
    salt = rock_salt("Na", "Cl", 5.64)
    skewed = salt.get_primitive_structure().make_supercell([[1, 0, 0], [-1, 1, 0], [1, 0, 1]])
    moved = Structure(skewed.lattice, skewed.species, skewed.frac_coords + 0.43)
    path = tmp_path / name
    moved.to(str(path), fmt="cif" if name.endswith("cif") else "poscar")
    base = find_base(str(path), CRYSTALS)
    np.testing.assert_allclose(base.angles, 60, atol=1e-3)
    np.testing.assert_allclose(base.lengths, 5.64 / 2**0.5, atol=1e-4)
    assert base.numbers.tolist() == [11, 17]
    np.testing.assert_allclose(base.fractional, [[0, 0, 0], [0.5, 0.5, 0.5]], atol=1e-6)


def made_up_generator(**known) -> Generator:
    """Return a generator without networks: enough to choose targets."""
    parts = {one.name: None for one in fields(Generator)}
    usual = {"edges": EDGES, "sampling": GenerateParameters(samples_per_base=7, random_per_condition=2)}
    return Generator(**parts | usual | known)


def test_a_formation_energy_chooses_its_decile():
    generator = made_up_generator()
    assert generator.n_conditions == 10
    assert generator.condition_of(-9.0) == 0
    assert generator.condition_of(9.0) == 9
    assert generator.describe_condition(0) == "decile 1 of 10 (-inf to -2.50 eV/atom)"
    assert generator.describe_condition(9) == "decile 10 of 10 (-0.10 to inf eV/atom)"


def test_a_request_around_a_base_takes_the_bases_condition_unless_an_energy_is_given():
    generator, base = made_up_generator(), CRYSTALS[4]
    (usual,) = requested_targets(generator, Request(base="made-004", seed=3), CRYSTALS)
    assert usual == around(base, generator.condition_of(base.formation_energy_per_atom), 7, 0.5, seed=3)
    (given,) = requested_targets(
        generator, Request(base="made-004", samples=2, spread=0.1, formation_energy=9.0), CRYSTALS
    )
    assert given == around(base, 9, 2, 0.1, seed=0)


def test_a_generator_that_searches_neighbours_does_so_unless_a_spread_is_given():
    near = GenerateParameters(samples_per_base=7, around="neighbours", distance=0.3)
    generator, base = made_up_generator(sampling=near), CRYSTALS[4]
    condition = generator.condition_of(base.formation_energy_per_atom)
    (usual,) = requested_targets(generator, Request(base="made-004"), CRYSTALS)
    assert usual == beside(base, condition, 7, 0.3, seed=0) and usual.sampling == "neighbours"
    (far,) = requested_targets(generator, Request(base="made-004", samples=3, distance=0.9), CRYSTALS)
    assert far == beside(base, condition, 3, 0.9, seed=0)
    (noise,) = requested_targets(generator, Request(base="made-004", samples=3, spread=0.5), CRYSTALS)
    assert noise == around(base, condition, 3, 0.5, seed=0) and noise.sampling == "noise"


def sampler(conditions: int = 10) -> LatentSampler:
    z_mean = np.arange(2.0 * conditions)[:, None] * np.ones(4)
    each = np.repeat(np.arange(conditions), 2)
    return LatentSampler(z_mean, each, np.zeros(2 * conditions, dtype=int), np.zeros((1, 4)))


def test_a_random_request_draws_every_decile_or_that_of_the_energy_as_the_generator_does():
    where = sampler()
    generator = made_up_generator(
        latent_sampler=where,
        sampling=GenerateParameters(random_per_condition=2, random_from="encoded", random_spread=0.8),
    )
    assert requested_targets(generator, Request(), []) == [at_random(c, 2, 0, where, 0.8) for c in range(10)]
    (one,) = requested_targets(generator, Request(formation_energy=-9.0, samples=3, spread=0.5, seed=1), [])
    assert one == at_random(0, 3, 1, where, 0.5)
    (normal,) = requested_targets(generator, Request(formation_energy=-9.0, random_from="normal"), [])
    assert normal.sampler is None


def test_latents_as_the_training_crystals_lie_need_a_generator_that_knows_and_a_decile_that_has_some():
    with pytest.raises(InputError, match="add --random-from normal"):
        requested_targets(made_up_generator(), Request(random_from="encoded"), [])
    with pytest.raises(InputError, match="No training crystal lies in decile 10 .* --random-from normal"):
        at_random(9, 1, 0, sampler(conditions=9))
    assert at_random(9, 1, 0).sampler is None


def test_the_pipelines_bases_are_training_crystals_of_each_family():
    targets = pipeline_targets(dataset(), GenerateParameters(2, 10, 5), seed=0)
    bases = [target.base for target in targets if target.base]
    assert [base.family for base in bases] == ["AB", "AB", "ABX3", "ABX3", "ABX2", "ABX2"]
    assert {base.id for base in bases} <= {crystal.id for crystal in CRYSTALS[:24]}
    assert [target.condition for target in targets if not target.base] == list(range(10))


@pytest.mark.parametrize(("count", "expected"), [(5, [1, 0] * 5), (1, [1] + [0] * 9), (30, [3] * 10), (7, None)])
def test_a_count_is_spread_evenly_over_the_deciles_and_none_is_added(count, expected):
    targets = requested_targets(made_up_generator(), Request(samples=count), [])
    counts = {target.condition: target.count for target in targets}
    found = [counts.get(condition, 0) for condition in range(10)]
    assert sum(found) == count and max(found) - min(found) <= 1 and found[0] == max(found)
    assert expected in (None, found) and 0 not in counts.values()
