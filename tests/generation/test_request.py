"""What a user asks for: numbers that ask for nothing, and the filters of candidates."""

from dataclasses import replace

import pytest

from data_prep.errors import InputError
from data_prep.property_labels import FORMATION_ENERGY
from repro.__main__ import main
from repro.generation.candidates import Candidate, cell_of
from repro.generation.funnel import Filters, Uniqueness
from repro.generation.request import Request
from repro.released.__main__ import main as released
from tests.support.exit_code import exit_code
from tests.support.made_up_crystals import made_up_crystals

GOOD = Candidate(
    "good", "made", "", 0, "NaCl", True, {FORMATION_ENERGY: -1.0},
    same_stoichiometry=True, charge_balanced=True, known_formula=False,
)  # fmt: skip


def passing(filters: Filters, *candidates: Candidate) -> list[str]:
    """Return the ids of the candidates for which every condition holds, asked in turn."""
    left = list(candidates)
    for _, holds in filters.conditions():
        left = [one for one in left if holds(one)]
    return [one.id for one in left]


def test_invalid_candidates_never_pass():
    assert passing(Filters(), replace(GOOD, id="bad", valid=False), GOOD) == ["good"]
    assert [name for name, _ in Filters().conditions()] == ["valid"]


@pytest.mark.parametrize(
    ("filters", "bad"),
    [
        (Filters(same_stoichiometry=True), {"same_stoichiometry": False}),
        (Filters(charge_balanced=True), {"charge_balanced": False}),
        (Filters(novel=True), {"known_formula": True}),
        (Filters(energy_window=(-2.0, 0.0)), {"properties": {FORMATION_ENERGY: 0.1}}),
        (Filters(energy_window=(-2.0, 0.0)), {"properties": {FORMATION_ENERGY: None}}),
        (Filters(energy_window=(-2.0, 0.0)), {"properties": {}}),
    ],
)
def test_each_filter_takes_away_what_it_says(filters, bad):
    assert passing(filters, replace(GOOD, id="bad", **bad), GOOD) == ["good"]
    assert passing(Filters(), replace(GOOD, id="bad", **bad), GOOD) == ["bad", "good"]


def test_the_ends_of_the_energy_window_are_in_it():
    assert passing(Filters(energy_window=(-1.0, -1.0)), GOOD) == ["good"]


def test_a_crystal_seen_before_is_not_unique_in_whatever_cell_it_comes():
    first, other = (crystal.structure() for crystal in made_up_crystals(2, seed=3))
    twice = first.copy()
    twice.make_supercell([1, 1, 2])
    candidates = [
        replace(GOOD, id=name, formula=structure.composition.reduced_formula, cell=cell_of(structure))
        for name, structure in (("a", first), ("b", twice), ("c", other))
    ]
    ((_, valid), (_, is_new)) = Filters(unique=True).conditions()
    assert all(valid(one) for one in candidates)
    assert [one.id for one in candidates if is_new(one)] == ["a", "c"]
    assert not any(is_new(one) for one in candidates)  # a second batch of the same crystals
    assert Uniqueness().is_new(candidates[0])  # another memory has seen none


@pytest.mark.parametrize(
    "asked",
    [
        "--count 0", "--samples 0", "--seed -1", "--spread -1", "--spread nan", "--spread inf",
        "--formation-energy nan", "--energy-window -1 -2", "--energy-window nan 0",
    ],
)  # fmt: skip
def test_numbers_that_ask_for_nothing_are_named_before_anything_is_read(asked, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert exit_code(main, ["generate", "--random", *asked.split()]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith(asked) and "give" in said and "\n" not in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"count": 0}, "--count 0 asks for nothing"),
        ({"samples": -3}, "--samples -3 asks for nothing"),
        ({"count": 3, "samples": 3}, "give one of them"),
        ({"base": "NaCl", "distance": 1.5}, r"--distance 1.5 is no distance: give 0 \(near\) to 1 \(far\)"),
        ({"base": "NaCl", "distance": float("nan")}, "--distance nan is no distance"),
        ({"base": "NaCl", "random_from": "normal"}, "--random-from goes with --random"),
        ({"known": True, "filters": Filters(novel=True)}, "--known lists what --novel leaves out"),
        ({"distance": 0.5}, "--distance goes with --base, and not with --spread"),
        ({"base": "NaCl", "distance": 0.5, "spread": 0.5}, "--distance goes with --base, and not with --spread"),
        ({"seed": -1}, "--seed -1 is negative"),
        ({"spread": -1.0}, "--spread -1 is no standard deviation"),
        ({"filters": Filters(energy_window=(0.0, -1.0))}, "--energy-window 0 -1 holds no energy"),
    ],
)
def test_a_request_is_refused_when_it_is_made(options, said):
    with pytest.raises(InputError, match=said):
        Request(**options)


def test_the_released_networks_take_no_negative_seed_either(tmp_path, capsys):
    assert exit_code(released, ["--shared", str(tmp_path), "--seed", "-1"]) == 2
    assert "--seed -1" in capsys.readouterr().err


def test_what_is_counted_is_distinct_and_new_unless_known_crystals_are_wanted_too():
    assert Request(count=5).listed == Filters(novel=True, unique=True)
    assert Request(count=5, known=True).listed == Filters(unique=True)
    assert Request(samples=5, filters=Filters(charge_balanced=True)).listed == Filters(charge_balanced=True)


def test_a_search_ends_after_twenty_samples_for_each_candidate_and_no_fewer_than_200():
    assert [Request(count=count).draws for count in (1, 10, 11)] == [200, 200, 220]
    assert Request(samples=7).draws == 7 and Request().draws is None
