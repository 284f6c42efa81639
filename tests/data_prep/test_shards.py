"""NPZ shards: written whole, checked, rebuilt."""

import json

import numpy as np
import pytest

from data_prep.elements import ionic_radii
from data_prep.errors import InputError
from data_prep.shards import VoxelStore, build_shards, fingerprint, shard_is_good
from data_prep.voxelize import voxelize
from tests.support.made_up_crystals import made_up_crystals

CRYSTALS = made_up_crystals(10)


@pytest.fixture
def folder(tmp_path):
    build_shards(tmp_path, CRYSTALS, grid=16, radii="ionic", shard_size=4, processes=1)
    return tmp_path


def test_the_store_gives_back_what_was_drawn(folder):
    store = VoxelStore(folder)
    assert len(store) == 10
    assert store.grid == 16
    for index in (0, 3, 4, 9):
        crystal = CRYSTALS[index]
        density, species = voxelize(crystal.numbers, crystal.fractional, crystal.lengths, ionic_radii(), 16)
        assert store.ids[index] == crystal.id
        np.testing.assert_allclose(store.density(index), density, rtol=5e-4, atol=1e-7)
        np.testing.assert_array_equal(store.species(index), species)
        np.testing.assert_array_equal(store.lengths[index], crystal.lengths)
        assert store.density(index).dtype == np.float16


@pytest.mark.parametrize("damage", ["cut", "flip", "delete", "garbage"])
def test_a_damaged_shard_is_named_and_rebuilt(folder, damage, capsys):
    path = folder / "shard-0001.npz"
    good = path.read_bytes()
    if damage == "delete":
        path.unlink()
    else:
        middle = len(good) // 2
        path.write_bytes(
            {"cut": good[:middle], "flip": good[:middle] + b"\xff\x00\xff" + good[middle + 3 :], "garbage": b"no"}[
                damage
            ]
        )
    with pytest.raises(InputError, match=r"shard-0001\.npz is missing or damaged"):
        VoxelStore(folder)
    build_shards(folder, CRYSTALS, 16, "ionic", 4, processes=1)
    assert len(VoxelStore(folder)) == 10
    assert damage == "delete" or "shard-0001.npz was damaged" in capsys.readouterr().out.splitlines()[0]


def test_only_missing_shards_are_written_again(folder):
    kept = (folder / "shard-0000.npz").stat().st_mtime_ns
    (folder / "shard-0002.npz").unlink()
    build_shards(folder, CRYSTALS, 16, "ionic", 4, processes=1)
    assert (folder / "shard-0000.npz").stat().st_mtime_ns == kept
    assert (folder / "shard-0002.npz").exists()


@pytest.mark.slow
def test_the_same_crystals_give_the_same_bytes(folder, tmp_path_factory):
    again = tmp_path_factory.mktemp("again")
    build_shards(again, CRYSTALS, 16, "ionic", 4, processes=2)
    first, second = (json.loads((place / "manifest.json").read_text()) for place in (folder, again))
    assert first == second


def test_a_shard_of_other_crystals_or_widths_is_not_taken(folder):
    path = folder / "shard-0000.npz"
    assert shard_is_good(path, fingerprint(CRYSTALS[:4], 16, "ionic"))
    assert not shard_is_good(path, fingerprint(CRYSTALS[:4], 16, "unit"))
    assert not shard_is_good(path, fingerprint(CRYSTALS[4:8], 16, "ionic"))


def test_no_pickle_is_ever_loaded(folder):
    """A hostile shard that holds a pickled object is refused, not executed."""
    path = folder / "shard-0000.npz"
    np.savez(path, fingerprint=np.array([{"an": "object"}], dtype=object))
    assert not shard_is_good(path, "anything")
    with pytest.raises(InputError, match=r"shard-0000\.npz"):
        VoxelStore(folder)


def test_a_folder_without_a_manifest_says_what_to_run(tmp_path):
    with pytest.raises(InputError, match="run the voxelize stage first"):
        VoxelStore(tmp_path)
