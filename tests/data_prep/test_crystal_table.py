"""Our own list of crystals comes back bit for bit, or says that it is damaged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data_prep.crystal import Crystal
from data_prep.crystal_table import read_crystals, write_crystals
from data_prep.errors import InputError

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)
FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=1, max_size=12)


@st.composite
def crystals(draw) -> Crystal:
    sites = draw(st.integers(1, 6))
    return Crystal(
        id=draw(TEXT),
        formula=draw(TEXT),
        lengths=draw(arrays(np.float64, 3, elements=FINITE)),
        angles=draw(arrays(np.float64, 3, elements=FINITE)),
        numbers=draw(arrays(np.int64, sites, elements=st.integers(1, 94))),
        fractional=draw(arrays(np.float64, (sites, 3), elements=FINITE)),
        formation_energy_per_atom=draw(ANY_FLOAT),
        properties=draw(st.dictionaries(TEXT, ANY_FLOAT, max_size=4)),
    )


def bits(value: float) -> bytes:
    return np.float64(value).tobytes() if value == value else b"nan"


@settings(max_examples=60, deadline=None)
@given(written=st.lists(crystals(), max_size=5))
def test_round_trip_is_exact(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("table") / "crystals.npz"
    write_crystals(path, written)
    read = read_crystals(path)
    assert len(read) == len(written)
    for before, after in zip(written, read, strict=True):
        assert (after.id, after.formula) == (before.id, before.formula)
        for name in ("lengths", "angles", "numbers", "fractional"):
            assert getattr(after, name).tobytes() == getattr(before, name).tobytes()
            assert getattr(after, name).dtype == getattr(before, name).dtype
        assert bits(after.formation_energy_per_atom) == bits(before.formation_energy_per_atom)
        assert {name: bits(value) for name, value in after.properties.items()} == {
            name: bits(value) for name, value in before.properties.items()
        }
        assert all(type(value) is float for value in after.properties.values())


def one(label: float = -1.0) -> Crystal:
    return Crystal("mp-1", "CsCl", np.full(3, 4.1), np.full(3, 90.0), np.array([55, 17]), np.zeros((2, 3)), label)


def test_damage_is_named_and_never_unpickled(tmp_path):
    path = tmp_path / "crystals.npz"
    with pytest.raises(InputError, match="no such list of crystals"):
        read_crystals(path)
    write_crystals(path, [one()])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"crystals\.npz is damaged"):
        read_crystals(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="damaged"):
        read_crystals(path)
    np.savez(path, ids=np.array([one()], dtype=object))
    with pytest.raises(InputError, match="damaged"):
        read_crystals(path)
    np.savez(path, density=np.zeros(3))
    with pytest.raises(InputError, match="damaged or not a list of crystals"):
        read_crystals(path)
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match="damaged or not a list of crystals"):
        read_crystals(path)


def test_sites_that_do_not_add_up_are_refused(tmp_path):
    path = tmp_path / "crystals.npz"
    write_crystals(path, [one(), one()])
    with np.load(path) as archive:
        stored = dict(archive)
    np.savez(path, **{**stored, "n_sites": np.array([2, 3])})
    with pytest.raises(InputError, match="numbers of sites disagree"):
        read_crystals(path)


def test_a_write_that_fails_leaves_the_old_list(tmp_path):
    path = tmp_path / "crystals.npz"
    write_crystals(path, [one(-3.0)])
    with pytest.raises(ValueError, match="could not convert|inhomogeneous|cannot reshape"):
        write_crystals(path, [one("not a number")])
    assert read_crystals(path)[0].formation_energy_per_atom == -3.0
    assert [file.name for file in tmp_path.iterdir()] == ["crystals.npz"]
    with pytest.raises(InputError, match="stored as .npz"):
        write_crystals(tmp_path / "crystals.csv", [one()])
