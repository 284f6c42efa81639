"""Damaged and hostile files: named in one sentence, never taken for sound ones, never executed."""

import ast
import hashlib
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from data_prep.crystal_table import read_crystals, write_crystals
from data_prep.errors import InputError
from data_prep.files.npz import DamagedNpz, read_npz, write_npz
from data_prep.graphs import build_graphs, load_graphs, save_graphs
from data_prep.shards import MANIFEST, VoxelStore, build_shards, shard_is_good
from experiments import stored
from models.latent_sampler import LatentSampler
from models.site_count_classifier import SiteCountClassifier
from repro import stamps
from repro.generation.generator_folder import load_arrays
from repro.network_folders import read_manifest, write_manifest
from tests.conftest import ROOT
from tests.support.damage import Bomb, damaged
from tests.support.inputs import inputs
from tests.support.made_up_crystals import made_up_crystals

CRYSTALS = made_up_crystals(3)
REFUSED = (InputError, DamagedNpz)
ARRAYS = hnp.arrays(
    st.sampled_from(["f8", "f4", "f2", "i8", "u1", "?", "U3", "S2", "c8", "M8[s]"]), hnp.array_shapes(min_dims=0)
)


def _store(path: Path) -> list[np.ndarray]:
    store = VoxelStore(path.parent)
    return [np.array(store.density(2)), np.array(store.species(2)), store.lengths, store.ids]


def _vouch(path: Path) -> None:
    """Let the manifest beside a shard vouch for it, whatever it holds."""
    entry = {"name": path.name, "structures": 3, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    (path.parent / MANIFEST).write_text(json.dumps({"grid": 8, "shards": [entry]}))


def _crystals(path: Path) -> list[np.ndarray]:
    return [value for one in read_crystals(path) for value in (one.id, one.numbers, one.fractional, one.lengths)]


def _graphs(path: Path) -> list[np.ndarray]:
    return [value for one in load_graphs(path) for value in (one.numbers, one.neighbours, one.distances, one.mask)]


def _counts(path: Path) -> list[np.ndarray]:
    found = load_arrays(SiteCountClassifier, path, 2)
    return [found.choose(np.ones((1, 2)))]


def _encoded(path: Path) -> list[np.ndarray]:
    found = load_arrays(LatentSampler, path, 4)
    condition = int(found.conditions[0])
    return [found.draw(condition, 1.0, np.random.default_rng(0)), found.z_mean, found.noise]


def _stored(path: Path) -> list[np.ndarray]:
    path.with_suffix(".json").write_text('{"identity": "it"}')
    found = stored.read(path.with_suffix(""), "it")
    if found is None:
        raise InputError("nothing is stored")  # it is computed anew
    return list(found.arrays.values())


class _Quiet(dict):
    """A dict that Hypothesis does not print in full."""

    def __repr__(self) -> str:
        return "sound files"


COUNTS = SiteCountClassifier(np.array([2, 4]), np.eye(2), np.zeros(2))
LATENTS = LatentSampler(np.eye(4), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.ones((2, 4)))

# Name -> how a sound file is made, and its reader.
FILES = {
    "shard-0000.npz": (lambda path: build_shards(path.parent, CRYSTALS, 8, "ionic", 3, processes=1), _store),
    "crystals.npz": (lambda path: write_crystals(path, CRYSTALS), _crystals),
    "graphs.npz": (lambda path: save_graphs(build_graphs(CRYSTALS, processes=1), path), _graphs),
    "site_counts.npz": (lambda path: write_npz(path, COUNTS.arrays()), _counts),
    "encoded.npz": (lambda path: write_npz(path, LATENTS.arrays(), compressed=True), _encoded),
    "figure.npz": (lambda path: np.savez_compressed(path, identity=np.array("it"), z=np.arange(9.0)), _stored),
    "slices.npz": (
        lambda path: np.savez_compressed(path, identity=np.array("it"), ids=np.array(["a"]), true=np.eye(4)),
        _stored,
    ),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Every kind of file, sound: name -> (path, bytes, what its reader gives)."""
    found = _Quiet()
    for name, (make, read) in FILES.items():
        path = tmp_path_factory.mktemp("sound") / name
        make(path)
        found[name] = path, path.read_bytes(), read(path)
    return found


@pytest.mark.parametrize("name", FILES)
@inputs()
@given(data=st.data())
def test_a_damaged_file_is_refused_or_reads_as_before(sound, name, data):
    path, whole, expected = sound[name]
    path.write_bytes(whole)
    _vouch(path)
    path.write_bytes(data.draw(damaged(whole)))
    try:
        found = FILES[name][1](path)
    except REFUSED as error:
        assert "\n" not in str(error)
        return
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_archive_that_lost_a_member_from_its_directory_is_refused(tmp_path):
    path = tmp_path / "two.npz"
    np.savez(path, one=np.eye(2), other=np.eye(3))
    whole = path.read_bytes()
    end = whole.rindex(b"PK\5\6")
    second = whole.index(b"PK\1\2", whole.index(b"PK\1\2") + 1)
    lost = bytearray(whole)
    # The length of the directory and its start, as a few flipped bytes leave them: zipfile finds the last member alone.
    lost[end + 12 : end + 16] = (end - second).to_bytes(4, "little")
    lost[end + 16 : end + 20] = second.to_bytes(4, "little")
    path.write_bytes(lost)
    assert len(np.load(path).files) == 1
    with pytest.raises(DamagedNpz, match="holds 1 arrays"):
        read_npz(path)
    lost[end + 8 : end + 16] = bytes(8)  # no members, and no directory
    path.write_bytes(lost)
    assert np.load(path).files == []
    with pytest.raises(DamagedNpz, match="holds 0 arrays"):
        read_npz(path)


def test_a_member_that_is_no_array_is_refused(tmp_path):
    path = tmp_path / "text.npz"
    np.savez(path, one=np.eye(2))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other.npy", "not an array")
    assert isinstance(np.load(path)["other"], bytes)
    with pytest.raises(DamagedNpz, match="other is no array"):
        read_npz(path)


@inputs()
@given(data=st.data())
def test_a_damaged_shard_that_its_manifest_vouches_for_is_refused_or_has_its_shape(sound, data):
    path, whole, expected = sound["shard-0000.npz"]
    path.write_bytes(data.draw(damaged(whole)))
    _vouch(path)
    try:
        found = _store(path)
    except InputError as error:
        assert path.name in str(error)
    else:
        assert [one.shape for one in found] == [one.shape for one in expected]


@pytest.mark.parametrize("name", FILES)
@inputs(0.5)
@given(data=st.data())
def test_arrays_of_another_kind_are_refused_or_used(sound, name, data):
    """A sound NPZ in which members are missing or are other arrays: no reader stops with anything but its sentence."""
    path, whole, _ = sound[name]
    path.write_bytes(whole)
    with np.load(path) as archive:
        arrays = dict(archive)
    for member in data.draw(st.lists(st.sampled_from(sorted(arrays)), min_size=1, max_size=3, unique=True)):
        del arrays[member]
        if data.draw(st.booleans()):
            arrays[member] = data.draw(ARRAYS)
    np.savez(path, **arrays)
    _vouch(path)
    try:
        FILES[name][1](path)
    except REFUSED as error:
        assert str(error)


@pytest.mark.parametrize("kind", ["member", "npy", "pickle"])
@pytest.mark.parametrize("name", FILES)
def test_no_pickle_is_ever_loaded(sound, tmp_path, name, kind):
    """Pickled objects in every member of the file, in place of the file, and as an NPY of its name."""
    path, whole, _ = sound[name]
    path.write_bytes(whole)
    with np.load(path) as archive:
        members = archive.files
    bombs = np.array([Bomb(tmp_path / "executed")], dtype=object)
    with open(path, "wb") as file:
        if kind == "member":
            np.savez(file, **dict.fromkeys(members, bombs))
        elif kind == "npy":
            np.save(file, bombs, allow_pickle=True)
        else:
            pickle.dump(bombs, file)
    _vouch(path)
    with pytest.raises(REFUSED):
        FILES[name][1](path)
    assert not shard_is_good(path, "anything")
    with pytest.raises(DamagedNpz):
        read_npz(path)
    assert not (tmp_path / "executed").exists()


def test_the_bombs_are_live(tmp_path):
    """What the test above holds harmless does go off where it is loaded carelessly."""
    pickle.loads(pickle.dumps(Bomb(tmp_path / "executed")))
    assert (tmp_path / "executed").is_dir()


@inputs()
@given(content=damaged(b'{"identity": "a", "config": {"grid": 32}, "inputs": {"data": "b"}, "counts": {"used": 3}}'))
def test_a_damaged_stamp_is_named_or_still_a_stamp(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("stage")
    (folder / stamps.DONE).write_bytes(content)
    try:
        stamps.begin(folder, {"grid": 32}, {"data": "b"})
    except InputError as error:
        assert str(folder) in str(error)
    else:
        assert stamps.read(folder)["identity"] == stamps.identity({"grid": 32}, {"data": "b"})


@inputs()
@given(data=st.data())
def test_a_damaged_manifest_of_networks_is_named_or_still_vouches_for_its_files(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("networks")
    (folder / "formulas.npz").write_bytes(b"digests")
    write_manifest(folder, ["formulas.npz"], {"elements": [11, 17], "vae": {"network": "vae", "latent": 256}})
    path = folder / "manifest.json"
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    try:
        found = read_manifest(folder)
    except InputError as error:
        assert str(folder) in str(error) and "\n" not in str(error)
    else:
        assert found["sha256"] in ({}, {"formulas.npz": hashlib.sha256(b"digests").hexdigest()})


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"sha256": {"a": {}}}', '{"sha256": {"..": ""}}', '{"sha256": [[]]}', "7"]
)
def test_a_hostile_manifest_of_networks_is_named(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match=f"{tmp_path}.* is (damaged|missing)"):
        read_manifest(tmp_path)


_EXECUTE = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
_LOADERS = {"load_model", "read_pickle", "model_from_json", "deserialize_keras_object", "enable_unsafe_deserialization"}


def test_nothing_in_the_project_loads_what_can_execute_code():
    """No pickle and its kin, no saved Keras model, no eval; NumPy's files without objects, PyTorch's not at all."""
    for folder in ("data_prep", "models", "repro", "experiments"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                assert not _executes(node), f"{path.relative_to(ROOT)}, line {node.lineno}"


def _executes(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(name.name.split(".")[0] in _EXECUTE for name in node.names)
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] in _EXECUTE
    if not isinstance(node, ast.Call):
        return False
    called = ast.unparse(node.func)
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if called in ("np.load", "numpy.load"):
        return options.get("allow_pickle", "False") != "False"
    unsafe = (
        called in ("eval", "exec", "torch.load", "yaml.load") or called.split(".")[-1] in _LOADERS and "." in called
    )
    return unsafe or options.get("safe_mode") == "False"
