"""Targets of generation: draws, bases, conditions."""

import numpy as np
import pytest

from data_prep.errors import InputError
from repro.__main__ import main
from repro.generation.targets import (
    around,
    at_random,
    condition_of,
    describe_condition,
    find_base,
    pipeline_targets,
    shares,
)
from repro.presets import GenerateParameters
from repro.released.__main__ import main as released
from repro.training.dataset import Dataset
from tests.support.exit_code import exit_code
from tests.support.made_up_crystals import made_up_crystals

CRYSTALS = made_up_crystals(30)
EDGES = np.linspace(-2.5, -0.1, 9)


def dataset():
    parts = np.array(["train"] * 24 + ["test"] * 6)
    energies = np.array([crystal.formation_energy_per_atom for crystal in CRYSTALS])
    return Dataset(CRYSTALS, parts, EDGES, np.searchsorted(EDGES, energies))


def test_draws_around_a_base_have_its_centre_and_the_spread():
    """The release's "variance 0.5" is a standard deviation (F18)."""
    centre = np.linspace(-2, 2, 64)
    z = around(CRYSTALS[0], 3, 400, 0.5, seed=0).draw(0, 400, centre)
    np.testing.assert_allclose(z.mean(axis=0), centre, atol=0.1)
    assert (z - centre).std() == pytest.approx(0.5, abs=0.01)


def test_a_draw_depends_on_seed_and_number_not_on_the_batch():
    target = at_random(2, 50, seed=7)
    whole = target.draw(0, 50, np.zeros(16))
    np.testing.assert_array_equal(whole[20:40], target.draw(20, 40, np.zeros(16)))
    assert (whole != at_random(2, 50, seed=8).draw(0, 50, np.zeros(16))).all()
    assert (whole != at_random(3, 50, seed=7).draw(0, 50, np.zeros(16))).all()


def test_targets_of_different_settings_have_different_digests():
    targets = [around(CRYSTALS[0], 1, 9, 0.5, 0), around(CRYSTALS[0], 1, 9, 0.6, 0), around(CRYSTALS[1], 1, 9, 0.5, 0)]
    targets += [at_random(1, 9, 0), at_random(2, 9, 0), at_random(1, 9, 1)]
    two, three = np.array([1, 2]), np.array([1, 2, 3])
    assert len({target.digest(allowed) for target in targets for allowed in (two, three)}) == 2 * len(targets)


def test_a_base_is_found_by_id_and_by_formula_of_lowest_energy():
    assert find_base("made-004", CRYSTALS) is CRYSTALS[4]
    assert find_base(CRYSTALS[7].formula, CRYSTALS).formula == CRYSTALS[7].formula


def test_a_base_is_read_from_a_cif(tmp_path):
    path = tmp_path / "base.cif"
    path.write_text(CRYSTALS[1].structure().to(fmt="cif"))
    assert sorted(find_base(str(path), CRYSTALS).numbers) == sorted(CRYSTALS[1].numbers)
    path.write_text("nothing")
    with pytest.raises(InputError, match=r"base\.cif cannot be used"):
        find_base(str(path), CRYSTALS)


def test_an_unknown_base_gets_the_nearest_names():
    wrong = CRYSTALS[0].formula[:-1] + "x"
    with pytest.raises(InputError, match=CRYSTALS[0].formula):
        find_base(wrong, CRYSTALS)


def test_a_formation_energy_chooses_its_decile():
    assert condition_of(-9.0, EDGES) == 0
    assert condition_of(9.0, EDGES) == 9
    assert describe_condition(0, EDGES) == "decile 1 of 10 (-inf to -2.50 eV/atom)"


def test_the_pipelines_bases_are_training_crystals_of_each_family():
    targets = pipeline_targets(dataset(), GenerateParameters(2, 10, 5), seed=0)
    bases = [target.base for target in targets if target.base]
    assert [base.family for base in bases] == ["AB", "AB", "ABX3", "ABX3", "ABX2", "ABX2"]
    assert {base.id for base in bases} <= {crystal.id for crystal in CRYSTALS[:24]}
    assert [target.condition for target in targets if not target.base] == list(range(10))


@pytest.mark.parametrize(("count", "expected"), [(5, [1, 0] * 5), (1, [1] + [0] * 9), (30, [3] * 10), (7, None)])
def test_a_count_is_spread_evenly_over_the_deciles_and_none_is_added(count, expected):
    found = shares(count, 10)
    assert sum(found) == count and max(found) - min(found) <= 1 and found[0] == max(found)
    assert expected in (None, found)


@pytest.mark.parametrize(
    "asked",
    [
        "--count 0", "--seed -1", "--spread -1", "--spread nan", "--spread inf", "--formation-energy nan",
        "--energy-window -1 -2", "--energy-window nan 0",
    ],
)  # fmt: skip
def test_numbers_that_ask_for_nothing_are_named_before_anything_is_read(asked, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["generate", "--random", *asked.split()]) == 2
    told = capsys.readouterr().err.strip()
    assert told.startswith(asked) and "give" in told and "\n" not in told


def test_the_released_networks_take_no_negative_seed_either(tmp_path, capsys):
    assert exit_code(released, ["--shared", str(tmp_path), "--seed", "-1"]) == 2
    assert "--seed -1" in capsys.readouterr().err
