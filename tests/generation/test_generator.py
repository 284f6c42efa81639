"""The generator as an object: what it may be asked for, and finished batches that are not sampled again."""

import json
from dataclasses import replace

import numpy as np
import pytest

from data_prep.element_features import element_features
from data_prep.errors import InputError
from models.cgcnn import build_cgcnn
from models.table6 import CGCNNParameters
from repro.generation.generator import Generator
from repro.generation.generator_folder import load_generator
from repro.generation.targets import Target, at_random, beside, in_turn
from repro.network_folders import PROPERTY_NETWORKS
from repro.properties.network_folder import write_property_networks
from tests.support.made_up_generator import IMPROVED, made_up_dataset, write

TINY = CGCNNParameters(atom_features=4, hidden=4)


@pytest.fixture(scope="module")
def generator(tmp_path_factory) -> Generator:
    """Networks that were never trained, ranked by one that was not either."""
    folder = tmp_path_factory.mktemp("made-up")
    write(folder / "generator", IMPROVED)
    ratio = {"poisson_ratio": [build_cgcnn(TINY, element_features())]}
    write_property_networks(folder / "properties", ratio, TINY, {}, {})
    return load_generator(folder / "generator", folder / "properties")


def test_atoms_are_of_the_training_parts_elements_or_of_those_asked_for(generator):
    np.testing.assert_array_equal(generator.allowed().numbers, generator.elements)
    assert generator.allowed(["O", "Ca", "O"]).numbers.tolist() == [8, 20]
    with pytest.raises(InputError, match="--elements O,Xx: Xx is no element; write --elements Na,Cl"):
        generator.allowed(["O", "Xx"])
    with pytest.raises(InputError, match="--elements Og,O: the networks have never seen Og; leave it out"):
        generator.allowed(["Og", "O"])


def test_a_random_sample_has_a_candidate_for_each_latent(generator):
    targets = [at_random(condition, 1, 2) for condition in (0, 3, 6)]
    (found,) = generator.sample(targets, generator.allowed(), processes=1)
    assert [one.id for one in found] == ["random-0-00000", "random-3-00000", "random-6-00000"]
    assert {one.sampling for one in found} == {"normal"}
    assert all(one.formula or one.reason for one in found)
    assert all(one.structure is not None for one in found if one.valid)


def test_property_networks_that_cannot_be_read_are_named_at_the_call(generator, tmp_path):
    with pytest.raises(InputError, match="manifest.json is missing"):
        replace(generator, property_weights=tmp_path).random(count=1, random_from="normal")


def test_finished_batches_are_not_sampled_again(generator, tmp_path, monkeypatch):
    drawn = []
    latent = Target.latent

    def noted(self, number, centre):
        drawn.append(number)
        return latent(self, number, centre)

    monkeypatch.setattr(Target, "latent", noted)
    monkeypatch.setattr("repro.generation.generator.BATCH", 3)
    targets, allowed = [at_random(3, 5, seed=1)], generator.allowed()
    whole = list(generator.sample(targets, allowed, tmp_path))
    assert drawn == [0, 1, 2, 3, 4] and [len(batch) for batch in whole] == [3, 2]
    assert list(generator.sample(targets, allowed, tmp_path)) == whole and len(drawn) == 5
    first = next(path for path in tmp_path.iterdir() if "random-3-00000" in path.read_text())
    first.write_text(first.read_text()[:-40])  # a damaged part is sampled again
    assert list(generator.sample(targets, allowed, tmp_path)) == whole and drawn[5:] == [0, 1, 2]
    others = [at_random(3, 5, seed=2)]
    assert list(generator.sample(others, allowed, tmp_path)) != whole and len(drawn) == 13


def test_candidates_are_compared_with_the_generators_own_data_alone(generator, tmp_path):
    """Also those of batches that were finished before, by a version that did not compare."""
    targets, allowed, crystals = [at_random(3, 4, seed=1)], generator.allowed(), made_up_dataset().crystals

    def nearest(other: Generator) -> list[str | None]:
        (batch,) = other.sample(targets, allowed, tmp_path)
        return [one.nearest_known for one in batch if one.valid]

    assert set(nearest(generator)) == {None}  # its data are not at hand, and not those of the published generator
    (part,) = tmp_path.iterdir()
    part.write_text(
        json.dumps([{name: one[name] for name in one if "nearest" not in name} for one in json.loads(part.read_text())])
    )
    assert set(nearest(replace(generator, data=crystals))) <= {one.id for one in crystals}
    assert set(json.loads(part.read_text())[0]) & {"nearest_known"} == set()  # the batch was not sampled again


def test_sampling_needs_no_table_of_the_published_generators_data(generator, tmp_path, monkeypatch):
    monkeypatch.setattr("repro.generation.known_crystals.TABLE", tmp_path / "not-installed.csv.gz")
    (batch,) = replace(generator).sample([at_random(3, 4, seed=1)], generator.allowed(), processes=1)
    assert len(batch) == 4 and {one.nearest_known for one in batch} == {None}


def test_other_processes_are_given_what_was_read_but_not_the_data(generator):
    whole = replace(generator, data=made_up_dataset().crystals)
    networks, hull = whole.properties, whole.hull
    other = whole.for_other_processes(generator.decoder)
    assert other.properties is networks and other.hull is hull and other.data is None
    assert "hull" not in vars(replace(generator).for_other_processes(generator.decoder))  # nothing is read for it


def test_neighbours_of_a_base_are_encoded_and_sampled_whatever_the_batch(generator):
    base = made_up_dataset().crystals[1]
    targets, allowed = [beside(base, 3, 4, 0.3, seed=1), at_random(2, 4, seed=1)], generator.allowed()
    centres = {target.name: np.zeros(4) for target in targets}
    samples = in_turn(targets)
    together = generator.latents(samples, centres, allowed)
    one_by_one = np.concatenate([generator.latents([sample], centres, allowed) for sample in samples])
    np.testing.assert_allclose(together, one_by_one, atol=1e-5)
    assert len(np.unique(together.round(4), axis=0)) == len(samples)


def test_parts_of_other_networks_are_not_taken_over(generator):
    before = generator.fingerprint()
    assert generator.fingerprint() == before
    assert replace(generator, identity="of another folder").fingerprint() != before
    assert replace(generator, property_weights=PROPERTY_NETWORKS).fingerprint() != before
    assert replace(generator, sampling=replace(generator.sampling, way="fit")).fingerprint() != before
