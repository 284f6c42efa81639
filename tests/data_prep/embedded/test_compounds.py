"""Which compounds are asked for: the same ones each time, and fairly mixed."""

from collections import Counter

import pytest

from data_prep.embedded.compounds import Compound, enumerate_compounds


@pytest.fixture(scope="module")
def compounds() -> list[Compound]:
    return enumerate_compounds()


def test_enumeration_is_deterministic_and_the_table_is_part_of_it(rows, compounds):
    assert enumerate_compounds() == compounds
    by_id = {compound.id: compound for compound in compounds}
    assert len(by_id) == len(compounds) > len(rows)
    for row in rows:
        compound = by_id[row["id"]]
        assert (row["formula"], row["prototype"]) == (compound.formula, compound.prototype)
        assert tuple(row["species"].split()) == compound.species


def test_every_prefix_is_a_fair_sample(compounds):
    shares = [Counter(c.family for c in compounds[:n])["ABX2"] / n for n in (200, len(compounds))]
    assert abs(shares[0] - shares[1]) < 0.1
