"""CDVAE's metrics as numbers: coverage, distances of distributions, reconstruction."""

import sys
from types import ModuleType

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from data_prep.crystal import crystal_from_structure
from data_prep.errors import InputError
from repro.scoring import fingerprints as prints
from repro.scoring.benchmark_metrics import (
    SAMPLES,
    coverage,
    distribution_distance,
    is_benchmark_valid,
    reconstruction,
)
from repro.scoring.fingerprints import Fingerprints, fingerprints, standardised
from tests.support.made_up_scores import SALT, TITANATE


def at(structure: list[float], composition: list[float]) -> Fingerprints:
    """Fingerprints of one value each, on a line."""
    return Fingerprints(np.array(structure)[:, None], np.array(composition)[:, None])


def test_coverage_counts_those_near_in_structure_and_in_composition():
    generated, test = at([0.0, 1.0, 5.0], [0.0, 100.0, 200.0]), at([0.1, 1.1, 9.0, 0.0], [3.0, 50.0, 0.0, 9.0])
    found = coverage(generated, test, 3)
    assert found.recall == 1 / 4 and found.precision == 1 / 3


def test_the_nearest_structure_and_the_nearest_composition_may_be_of_two_crystals():
    assert coverage(at([0.0, 9.0], [50.0, 1.0]), at([0.1], [1.0]), 2).recall == 1.0


def test_what_has_no_fingerprint_counts_as_generated():
    generated = at([0.0, np.nan], [0.0, np.nan])
    assert coverage(generated, at([0.0], [0.0]), 4).precision == 1 / 4
    assert coverage(at([np.nan], [np.nan]), at([0.0], [0.0]), 1) == coverage(at([9.0], [99.0]), at([0.0], [0.0]), 1)


def test_distributions_are_those_of_a_thousand_valid_ones():
    ours = np.concatenate([np.full(3000, 2.0), np.full(1000, 50.0)])
    assert distribution_distance(ours, [1.0, 1.0], ours < 10, seed=0) == 1.0
    assert distribution_distance([1.0], [1.0], [False], seed=0) != 0  # NaN
    spread = np.linspace(0, 1, 5000)
    one, other = (distribution_distance(spread, [0.5], np.ones(5000, bool), seed) for seed in (0, 1))
    assert one != other and one == pytest.approx(0.25, abs=3 / np.sqrt(12 * SAMPLES))


def test_a_reconstruction_counts_with_and_without_validity():
    odd = Structure(Lattice.cubic(4), ["Na", "F", "F"], [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5]])
    moved = TITANATE.copy()
    moved.translate_sites([1], [0.02, 0, 0])
    found = reconstruction([(TITANATE, TITANATE), (moved, TITANATE), (odd, odd), (SALT, TITANATE), (None, SALT)])
    assert (found.count, found.matched, found.matched_valid) == (5, 3 / 5, 2 / 5)
    # one of five sites moved by 0.078 Å, less the drift of all, in (V / n)^(1/3) = 2.281 Å
    one = 0.078 * np.sqrt(1 / 5 - 1 / 25) / (59.319 / 5) ** (1 / 3)
    assert found.rmse == pytest.approx(one / 3, rel=1e-3) and found.rmse_valid == pytest.approx(one / 2, rel=1e-3)
    assert not is_benchmark_valid(odd) and is_benchmark_valid(TITANATE)


def test_the_scale_of_magpie_has_a_value_for_each_feature():
    mean, deviation = prints._scale()
    assert mean.shape == deviation.shape == (132,) and (deviation > 0).all()
    found = standardised(np.where(np.arange(132) == 5, np.nan, mean + deviation))
    np.testing.assert_allclose(found, np.arange(132) != 5)


def test_without_matminer_there_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matminer", None)
    with pytest.raises(InputError, match="need matminer .*: run 'make matminer' once"):
        fingerprints([], tmp_path / "kept.jsonl")


def test_fingerprints_are_kept_and_a_failure_has_none(monkeypatch, tmp_path, capsys):
    asked = []

    def made_up(crystal):
        asked.append(crystal.id)
        if crystal.id == "salt":
            return {"structure": None, "composition": None, "fault": "ValueError: no neighbours"}
        return {"structure": [0.5] * 61, "composition": [1.0] * 132, "fault": None}

    monkeypatch.setattr(prints, "_fingerprint", made_up)
    monkeypatch.setattr(prints, "require_matminer", lambda: None)
    monkeypatch.setattr(prints, "version", lambda package: "0.10.1")
    crystals = [crystal_from_structure(TITANATE, "one"), crystal_from_structure(SALT, "salt")]
    found = fingerprints(crystals, tmp_path / "kept.jsonl")
    assert found.there.tolist() == [True, False] and found.structure[0].tolist() == [0.5] * 61
    again = fingerprints([*crystals, crystal_from_structure(TITANATE, "the same")], tmp_path / "kept.jsonl")
    assert asked == ["one", "salt"] and again.there.tolist() == [True, False, True]
    assert capsys.readouterr().out.splitlines()[-1].endswith("1 of 3 structures have none, ValueError: no neighbours")
    monkeypatch.setattr(prints, "version", lambda package: "0.11")
    with pytest.raises(InputError, match="other settings or versions"):
        fingerprints(crystals, tmp_path / "kept.jsonl")


class Featurizer:
    def __init__(self, error: Exception | None = None):
        self.error = error

    def featurize(self, *crystal):
        if self.error:
            raise self.error
        return [0.5] * 61 if len(crystal) == 2 else [1.0] * 132


def test_a_matminer_that_does_not_work_is_a_sentence_and_leaves_no_failures_behind(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matminer", ModuleType("matminer"))
    monkeypatch.setattr(prints, "version", lambda package: "0.10.1")
    crystals = [crystal_from_structure(TITANATE, "one")]
    broken = Featurizer(AttributeError("no such preset"))
    monkeypatch.setattr(prints, "_featurizers", lambda: (broken, Featurizer()))
    with pytest.raises(InputError, match=r"matminer 0\.10\.1 does not work \(AttributeError: no such preset\)"):
        fingerprints(crystals, tmp_path / "kept.jsonl")
    assert not (tmp_path / "kept.jsonl").exists()
    monkeypatch.setattr(prints, "_featurizers", lambda: (Featurizer(MemoryError()), Featurizer()))
    with pytest.raises(MemoryError):
        fingerprints(crystals, tmp_path / "kept.jsonl")
    monkeypatch.setattr(prints, "_featurizers", lambda: (Featurizer(), Featurizer()))
    monkeypatch.setattr(prints, "standardised", lambda composition: composition.lacks)
    with pytest.raises(AttributeError):  # a mistake of our own is none of the crystal
        fingerprints(crystals, tmp_path / "kept.jsonl")


def test_real_fingerprints_do_not_depend_on_the_cell(tmp_path):
    pytest.importorskip("matminer")
    crystals = [crystal_from_structure(one, str(n)) for n, one in enumerate((SALT, SALT.get_primitive_structure()))]
    found = fingerprints(crystals, tmp_path / "kept.jsonl")
    np.testing.assert_allclose(found.structure[0], found.structure[1], atol=1e-4)
    np.testing.assert_array_equal(found.composition[0], found.composition[1])
    assert found.structure[0].max() <= 1 and np.abs(found.composition).max() < 10
