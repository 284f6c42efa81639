"""The UNet beside a generator: read when a map is segmented, and only the one that belongs to the generator."""

import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest

from data_prep.errors import InputError
from models.beyond_paper import ImprovedUNetParameters
from models.table6 import UNetParameters
from repro.decoding.decoder import decoding_pool
from repro.decoding.unet_folder import WEIGHTS, lazy_unet, load_unet, write_unet
from repro.generation.generator_folder import load_generator
from repro.network_folders import read_manifest, unet_beside, write_manifest
from repro.training.train_unet import build_segmenter
from tests.support.made_up_generator import FACTS, IMPROVED, made_up_dataset, write

SMALL = UNetParameters(filters=1)


@pytest.fixture(scope="module", params=[SMALL, ImprovedUNetParameters(filters=1)], ids=["paper", "improved"])
def written(request, tmp_path_factory):
    keras.utils.set_random_seed(0)
    folder, model = tmp_path_factory.mktemp("unet"), build_segmenter(request.param, "ionic")
    return folder, model, write_unet(folder, model, request.param, "ionic", FACTS)


@pytest.fixture
def copy(written, tmp_path):
    """A folder of its own for a test that spoils it, and the checksum of its weights."""
    shutil.copytree(written[0], tmp_path / "unet")
    return tmp_path / "unet", written[2]


def test_the_network_comes_back_to_the_precision_of_its_kernels(written):
    folder, model, checksum = written
    found = load_unet(folder, checksum)
    maps = np.random.default_rng(0).random((1, 8, 8, 8, 4), dtype=np.float32)
    for name, values in model.predict_on_batch(maps).items():
        np.testing.assert_allclose(found.predict_on_batch(maps)[name], values, atol=2e-2)
    assert read_manifest(folder)["preset"] == "made-up"


def test_it_is_read_once_and_not_before_it_is_called(copy):
    folder, checksum = copy
    hidden = folder.rename(folder.parent / "hidden")
    unet = lazy_unet(folder, checksum)
    with pytest.raises(InputError, match=r"unet/manifest\.json is missing: .*or give another folder of networks"):
        unet()
    hidden.rename(folder)
    assert unet() is unet()


def test_another_unet_than_the_generators_is_refused(copy):
    folder, checksum = copy
    with pytest.raises(InputError, match=r"unet\.npz is another UNet than the generator was made with"):
        load_unet(folder, checksum[::-1])


@pytest.mark.parametrize("damage", [lambda whole: whole[:-100], lambda whole: b"foreign", lambda whole: b""])
def test_a_truncated_or_foreign_file_is_named(copy, damage):
    folder, checksum = copy
    path = folder / WEIGHTS
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"unet\.npz is damaged: "):
        load_unet(folder, checksum)
    facts = facts_of(folder)
    write_manifest(folder, [WEIGHTS], facts)  # that vouches for what is there
    with pytest.raises(InputError, match=r"unet\.npz is no whole NPZ file of weights"):
        load_unet(folder, read_manifest(folder)["sha256"][WEIGHTS])


def test_weights_of_another_size_are_named(copy):
    folder, _ = copy
    facts = facts_of(folder)
    facts["unet"]["filters"] = 2
    write_manifest(folder, [WEIGHTS], facts)
    with pytest.raises(InputError, match=r"unet\.npz does not fit the network unet: .* has the shape"):
        load_unet(folder, read_manifest(folder)["sha256"][WEIGHTS])
    del facts["radii"]
    write_manifest(folder, [WEIGHTS], facts)
    with pytest.raises(InputError, match=r"manifest\.json is damaged or of an earlier version \(KeyError"):
        load_unet(folder, read_manifest(folder)["sha256"][WEIGHTS])


def facts_of(folder) -> dict:
    """Return what the manifest holds beside the checksums, although these may fail."""
    facts = json.loads((folder / "manifest.json").read_text())
    del facts["sha256"]
    return facts


def test_a_way_that_needs_no_unet_works_without_its_folder(tmp_path):
    """Generation by the composition reads 4 MB instead of 66."""
    write(tmp_path / "generator", replace(IMPROVED, generate=replace(IMPROVED.generate, way="composition")))
    shutil.rmtree(unet_beside(tmp_path / "generator"))
    generator = load_generator(tmp_path / "generator")
    crystals = made_up_dataset().crystals[:2]
    maps, conditions = generator.maps_of(crystals), generator.conditions_of(crystals)
    found = generator.autoencoder.reconstruct(maps, conditions, [crystal.numbers for crystal in crystals]).decoded
    with decoding_pool(2) as pool:
        assert len(generator.decoder.atoms(pool, found, "composition")) == 2
        with pytest.raises(InputError, match=r"unet/manifest\.json is missing"):
            generator.decoder.atoms(pool, found, "vote")
