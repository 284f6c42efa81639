"""Filters on candidates, and how many pass each."""

from argparse import Namespace

from repro.generation.filters import filters, select
from tests.support.made_up_crystals import made_up_crystals

NONE = {"same_stoichiometry": False, "charge_balanced": False, "novel": False, "energy_window": None, "unique": False}


def chosen(**wanted):
    return filters(Namespace(**NONE | wanted))


def record(**facts):
    usual = {"valid": True, "same_stoichiometry": True, "charge_balanced": True, "known_formula": False}
    return usual | {"formation_energy_per_atom": -1.0} | facts


def test_invalid_candidates_never_pass():
    counts = {}
    assert select([record(valid=False), record()], chosen(), counts) == [record()]
    assert counts == {"valid": 1}


def test_each_filter_takes_away_what_it_says_and_is_counted_in_order():
    good = record()
    bad = [
        record(same_stoichiometry=False),
        record(charge_balanced=False),
        record(known_formula=True),
        record(formation_energy_per_atom=0.1),
        record(formation_energy_per_atom=None),
    ]
    counts = {}
    every = chosen(same_stoichiometry=True, charge_balanced=True, novel=True, energy_window=[-2.0, 0.0])
    assert select([*bad, good], every, counts) == [good]
    assert list(counts.values()) == [6, 5, 4, 3, 1]
    select([good], every, counts)
    assert list(counts.values()) == [7, 6, 5, 4, 2]  # adds up over batches


def test_a_crystal_seen_before_is_not_unique_in_whatever_cell_it_comes():
    first, other = (crystal.structure() for crystal in made_up_crystals(2, seed=3))
    twice = first.copy()
    twice.make_supercell([1, 1, 2])
    records = [
        record(formula=structure.composition.reduced_formula, cif=structure.to(fmt="cif"), id=name)
        for name, structure in (("a", first), ("b", twice), ("c", other))
    ]
    counts = {}
    unique = chosen(unique=True)
    assert [kept["id"] for kept in select(records, unique, counts)] == ["a", "c"]
    assert select(records, unique, counts) == []  # a second batch of the same crystals
