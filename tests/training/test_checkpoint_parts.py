"""Weights files in parts: split, joined, and a part that is missing or damaged named in a sentence."""

import itertools
import json

import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.files.checksum import file_sha256
from repro.training import checkpoint_parts, fit
from repro.training.checkpoint_parts import joined, split_file
from repro.training.fit import BEST, STATE, forget_training, load_weights, restore, save
from tests.training.test_fit import small_model, weights_of

HISTORY = [{"loss": 1.0, "val_loss": 2.0, "seconds": 0.1}, {"loss": 0.5, "val_loss": 1.0, "seconds": 0.1}]
LATER = {"loss": 0.7, "val_loss": 3.0, "seconds": 0.1}


def trained(number):
    """Return a compiled model whose weights are all this number."""
    model = small_model()
    model.set_weights([np.full_like(weight, number) for weight in model.get_weights()])
    return model


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of 5,000 bytes, so that the weights of a tiny network come in several."""
    monkeypatch.setattr(checkpoint_parts, "PART_BYTES", 5000)


def test_a_large_file_becomes_parts_and_comes_back(tmp_path, small_parts):
    path, content = tmp_path / "some.weights.h5", np.random.default_rng(0).bytes(12_001)
    path.write_bytes(content)
    sums = split_file(path)
    names = [f"some.weights.h5.part-00{number}" for number in (1, 2, 3)]
    assert len(sums) == 3 and sorted(item.name for item in tmp_path.iterdir()) == names
    assert [(tmp_path / name).stat().st_size for name in names] == [5000, 5000, 2001]
    with joined(path, sums) as whole:
        assert whole.read_bytes() == content
    assert sorted(item.name for item in tmp_path.iterdir()) == names


def test_a_file_that_is_not_too_large_stays_whole(tmp_path, small_parts):
    path = tmp_path / "some.weights.h5"
    path.write_bytes(bytes(5000))
    assert split_file(path) == file_sha256(path)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    with joined(path, file_sha256(path)) as whole:
        assert whole == path


def test_a_training_is_kept_in_parts_and_goes_on_from_them(tmp_path, small_parts):
    model = trained(1.0)
    save(model, tmp_path, HISTORY[:1], is_best=True)
    sums = json.loads((tmp_path / STATE).read_text())["sha256"]
    assert all(isinstance(sums[name], list) and len(sums[name]) > 1 for name in (BEST, "epoch-0001.weights.h5"))
    assert not list(tmp_path.glob("*.h5"))
    other = trained(5.0)
    assert restore(other, tmp_path) == HISTORY[:1]
    np.testing.assert_array_equal(weights_of(other), weights_of(model))
    save(trained(2.0), tmp_path, HISTORY, is_best=False)
    assert {item.name.split(".part-")[0] for item in tmp_path.glob("*.h5*")} == {BEST, "epoch-0002.weights.h5"}
    load_weights(other, tmp_path / BEST)
    np.testing.assert_array_equal(weights_of(other), weights_of(model))
    forget_training(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["missing", "cut", "exchanged"])
def test_a_missing_or_damaged_part_is_named(tmp_path, small_parts, damage):
    save(trained(1.0), tmp_path, HISTORY[:1], is_best=True)
    part, first = (tmp_path / f"{BEST}.part-00{number}" for number in (2, 1))
    if damage == "missing":
        part.unlink()
    elif damage == "cut":
        part.write_bytes(part.read_bytes()[:-1])
    else:
        part.write_bytes(first.read_bytes())
    said = "missing" if damage == "missing" else "damaged"
    with pytest.raises(InputError, match=rf"{BEST} cannot be loaded \(its part {part.name} is {said}\)"):
        load_weights(small_model(), tmp_path / BEST)


@pytest.mark.parametrize("moment", ["_write", "write_json", "_settle"])
@pytest.mark.parametrize("size", ["whole", "in parts"])
def test_killed_while_a_checkpoint_is_written_it_goes_on_from_the_last_whole_one(tmp_path, request, size, moment):
    """The second epoch is the best. Trained anew it is not: the best weights are then still those of the first."""
    if size == "in parts":
        request.getfixturevalue("small_parts")
    model, first = trained(1.0), weights_of(trained(1.0))
    save(model, tmp_path, HISTORY[:1], is_best=True)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fit, moment, killed_at(getattr(fit, moment), call=2 if moment == "_write" else 1))
        save(trained(2.0), tmp_path, HISTORY, is_best=True)
    begun = 2 if moment == "_settle" else 1  # the epoch counts if the state is written
    assert restore(model, tmp_path) == HISTORY[:begun]
    np.testing.assert_array_equal(weights_of(model), begun * first)
    save(trained(3.0), tmp_path, HISTORY[:begun] + [LATER], is_best=False)
    load_weights(model, tmp_path / BEST)
    np.testing.assert_array_equal(weights_of(model), begun * first)
    kept = {item.name.split(".part-")[0] for item in tmp_path.glob("*.h5*")}
    assert kept == {BEST, f"epoch-{begun + 1:04d}.weights.h5"}


def killed_at(function, call):
    """Return a function that does its work until this ``call``, which does nothing."""
    calls = itertools.count(1)

    def stopped(*arguments):
        if next(calls) == call:
            raise KeyboardInterrupt
        return function(*arguments)

    return stopped
