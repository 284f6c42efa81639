"""The folder of a generator: what is written comes back, and what does not fit is refused in one sentence."""

import json
import shutil

import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.files.npz import write_npz
from models.site_count_classifier import SiteCountClassifier
from repro.generation.generator_folder import FORMULAS, LATENTS, SITE_COUNTS, VAE, load_generator
from repro.network_folders import copy_networks, identity_of_networks, read_manifest, unet_beside, write_manifest
from tests.support.equal_autoencoders import require_equal
from tests.support.made_up_generator import FACTS, IMPROVED, PLAIN, write


@pytest.fixture(scope="module", params=[PLAIN, IMPROVED], ids=["plain", "improved"])
def written(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "generator"
    return folder, request.param, *write(folder, request.param)


@pytest.fixture(scope="module")
def improved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("improved") / "generator"
    write(folder, IMPROVED)
    return folder


@pytest.fixture
def copy(improved, tmp_path):
    """A folder of its own for a test that spoils it."""
    shutil.copytree(improved, tmp_path / "generator")
    return tmp_path / "generator"


def test_what_is_written_comes_back(written):
    folder, preset, learned, dataset = written
    found = load_generator(folder, folder / "none")  # the property networks are read when they are needed
    require_equal(found.autoencoder, learned.vae, preset)
    for one, other in zip(learned.decoder.unet().get_weights(), found.decoder.unet().get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=4.9e-4, atol=6e-8)  # kernels are stored as float16
    assert found.decoder.watershed == preset.watershed
    assert (found.voxels, found.sampling) == (preset.voxels, preset.generate)
    np.testing.assert_array_equal(found.edges, dataset.edges)
    np.testing.assert_array_equal(found.elements, dataset.elements)
    np.testing.assert_array_equal(found.decoder.elements.numbers, dataset.elements)
    assert found.angle_rule.counts == learned.angle_rule.counts
    assert found.angle_rule.log_ratio == learned.angle_rule.log_ratio
    np.testing.assert_array_equal(found.angle_rule.volumes, learned.angle_rule.volumes)
    ours, theirs = learned.decoder.arrangements, found.decoder.arrangements
    assert ours.counts == theirs.counts and ours.arrangements.keys() == theirs.arrangements.keys()
    for number, sites in ours.arrangements.items():
        np.testing.assert_array_equal(np.stack(sites), np.stack(theirs.arrangements[number]))
    for crystal, part in zip(dataset.crystals, dataset.parts, strict=True):
        assert crystal.formula in found.known.all
        assert (crystal.formula in found.known.train) == (part == "train")


def test_networks_that_read_latents_come_back_with_what_they_read(written):
    folder, preset, learned, _ = written
    found, manifest = load_generator(folder), read_manifest(folder)
    assert FACTS.items() <= manifest.items() and "keras" in manifest["versions"]
    if preset is PLAIN:
        assert manifest["sha256"].keys() == {"vae.weights.h5", "formulas.npz"}
        assert found.latent_sampler is None and found.decoder.site_counts is None
        return
    assert manifest["vae"]["network"] == "improved_vae"
    assert read_manifest(unet_beside(folder))["unet"]["network"] == "improved_unet"
    z = np.random.default_rng(1).normal(size=(9, 4))
    np.testing.assert_array_equal(found.decoder.site_counts.choose(z), learned.decoder.site_counts.choose(z))
    np.testing.assert_allclose(found.latent_sampler.z_mean, learned.latent_sampler.z_mean, atol=2e-3)  # of float16
    np.testing.assert_array_equal(found.latent_sampler.conditions, learned.latent_sampler.conditions)


def read_json(path):
    return json.loads(path.read_text())


def spoiled(**changes):
    """Return a change of a manifest: some of its entries replaced, or removed where None."""

    def spoil(manifest: dict) -> dict:
        return {name: value for name, value in (manifest | changes).items() if value is not None}

    return spoil


def without(entry: str, name: str):
    """Return a change of a manifest: one entry lacks a name."""
    return lambda manifest: manifest | {entry: {key: value for key, value in manifest[entry].items() if key != name}}


def with_another(entry: str, **more):
    """Return a change of a manifest: one entry has other names or values."""
    return lambda manifest: manifest | {entry: manifest[entry] | more}


@pytest.mark.parametrize(
    "spoil",
    [
        without("vae", "network"), spoiled(unet=None), spoiled(watershed=None),
        with_another("vae", network="structured_vae"),
        with_another("vae", crop=16), with_another("watershed", gaussian=True), with_another("vae", network="cgcnn"),
        with_another("generate", species_from="unet"), spoiled(generate=None), spoiled(voxels=None),
        with_another("voxels", radii="atomic"), with_another("voxels", spacing=1), spoiled(condition_edges="none"),
        spoiled(condition_edges=None), spoiled(elements=["Na"]), spoiled(elements=None), spoiled(angles=[]),
        without("angles", "volumes"), without("angles", "counts"), spoiled(sites=[]), without("sites", "counts"),
        without("sites", "arrangements"), spoiled(angles={"log_ratio": [], "counts": {}, "volumes": []}),
    ],
)  # fmt: skip
def test_a_manifest_of_an_earlier_version_is_named_with_what_to_do(copy, spoil):
    path = copy / "manifest.json"
    write_json(path, spoil(json.loads(path.read_text())))
    with pytest.raises(InputError) as stop:
        load_generator(copy)
    said = str(stop.value)
    assert said.startswith(f"{path} is damaged or of an earlier version (") and "\n" not in said
    assert said.endswith("or give another folder of networks.")


@pytest.mark.parametrize(
    ("name", "arrays", "said"),
    [
        ("formulas.npz", {"all": np.zeros(1, np.uint64)}, r"manifest\.json is damaged or of an earlier version"),
        (
            "site_counts.npz",
            SiteCountClassifier(np.array([2]), np.zeros((5, 1)), np.zeros(1)).arrays(),
            r"site_counts\.npz is damaged or of other networks \(its arrays do not fit together\)",
        ),
        ("encoded.npz", {}, r"encoded\.npz is damaged or of other networks"),
        ("vae.weights.h5", {}, r"vae\.weights\.h5 cannot be loaded"),
    ],
)
def test_files_of_other_networks_are_named_although_the_manifest_vouches_for_them(copy, name, arrays, said):
    write_npz(copy / name, arrays)
    facts = read_json(copy / "manifest.json")
    write_manifest(copy, list(facts.pop("sha256")), facts)
    with pytest.raises(InputError, match=said):
        load_generator(copy)


@pytest.mark.parametrize("name", [VAE, FORMULAS, SITE_COUNTS, LATENTS])
def test_a_changed_or_missing_file_is_named(copy, name):
    whole = bytearray((copy / name).read_bytes())
    whole[len(whole) // 2] ^= 1
    (copy / name).write_bytes(whole)
    with pytest.raises(InputError, match=f"{copy / name} is damaged: make it anew .*, or give another folder"):
        load_generator(copy)
    (copy / name).unlink()
    with pytest.raises(InputError, match=f"{copy / name} is missing"):
        load_generator(copy)


def test_a_file_that_the_manifest_does_not_name_is_not_read(copy):
    facts = read_json(copy / "manifest.json")
    write_manifest(copy, [name for name in facts.pop("sha256") if name != "encoded.npz"], facts)
    (copy / "encoded.npz").write_bytes(b"of other networks")
    assert load_generator(copy).latent_sampler is None


def test_a_copy_has_the_identity_of_its_original_until_something_differs(copy, tmp_path):
    copy_networks(copy, tmp_path / "other")
    assert identity_of_networks(tmp_path / "other") == identity_of_networks(copy)
    write_npz(copy / "formulas.npz", {"all": np.zeros(1, np.uint64), "train": np.zeros(1, np.uint64)})
    facts = read_json(copy / "manifest.json")
    write_manifest(copy, list(facts.pop("sha256")), facts)
    assert identity_of_networks(tmp_path / "other") != identity_of_networks(copy)
    assert identity_of_networks(tmp_path / "nowhere") == "missing"
