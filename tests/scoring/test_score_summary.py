"""The metrics over all structures, as numbers."""

import numpy as np
import pytest

from repro.scoring.reference import KnownNumbers
from repro.scoring.score_rows import COLUMNS, finished, passes
from repro.scoring.score_summary import distance, funnel, mean, metrics, share, value_text
from tests.support.pages import read

NOTHING = KnownNumbers(np.array([]), np.array([]))


def row(**facts) -> dict:
    usual = {"id": "x", "readable": True, "faults": {}, "structure_valid": True, "composition_valid": True,
             "structure_valid_paper": True, "unique": True, "known": False, "known_formula": False,
             "e_above_hull": 0.0, "no_energy": "", "closeness": 1.0, "density": 5.0, "n_elements": 2,
             "smallest_distance": 2.0, "spacegroup": 221, "nearest_known": "mp-1"}  # fmt: skip
    return usual | facts


def test_a_structure_fails_at_the_first_stage_and_has_all_reasons():
    (found,) = finished([row(faults={"composition": "odd"}, repeats="y", unique=False, e_above_hull=0.31)])
    assert found["failed_at"] == "valid"
    assert found["why"] == "odd; it repeats y; 0.31 eV/atom above the hull, at most 0.1 count"
    assert tuple(found) == COLUMNS and passes(found, "read") and not passes(found, "valid")


def test_what_cannot_be_compared_or_has_no_energy_is_not_counted_as_good():
    rows = finished([row(unique=None), row(known=None), row(e_above_hull=None, no_energy="60 sites, too many")])
    assert [one["failed_at"] for one in rows] == ["unique", "new", "metastable"]
    assert rows[2]["why"] == "no energy above the hull: 60 sites, too many"
    assert funnel(rows) == {"given": 3, "read": 3, "valid": 3, "unique": 2, "new": 1, "metastable": 0}


def test_shares_of_a_part_are_of_that_part():
    faults = {"faults": {"structure": "close"}, "structure_valid": False}
    rows = finished([row(), row(known=True, known_formula=True), row(unique=False, repeats="x"), row(**faults)])
    found = {one.name: (one.value, one.count) for one in metrics(rows, NOTHING)}
    assert found["valid"] == (3 / 4, 4) and found["unique"] == (2 / 3, 3) and found["new_structure"] == (1 / 2, 2)
    assert found["valid_unique_new_metastable"] == (1 / 4, 4) and found["new_formula"] == (1 / 2, 2)
    assert found["density_emd"][0] is None


def test_an_interval_holds_the_share_and_narrows_with_the_number():
    few, many = (share("x", [True, False] * n, "") for n in (20, 500))
    assert few.value == many.value == 0.5 and few.interval[0] < many.interval[0] < 0.5 < many.interval[1]
    assert many.interval[1] - many.interval[0] == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(1000), rel=0.1)


def test_the_distance_of_two_samples_is_the_earth_movers():
    shifted = distance("x", [1.0, 2.0, 3.0], [1.5, 2.5, 3.5], "g/cm³", "")
    assert shifted.value == pytest.approx(0.5) and shifted.interval[0] < 0.9 < 1.5
    assert distance("x", [], [1.0], "", "").value is None


def test_a_value_in_words():
    assert value_text(mean("x", [1.0, None, 3.0], "eV/atom", "", interval=False)) == "2 eV/atom"
    assert value_text(mean("x", [None], "eV/atom", "")) == "not measured"


def test_the_page_of_the_docs_explains_every_column_and_metric():
    page = read("docs/scoring.md")
    names = {one.name for one in metrics(finished([row()]), NOTHING, relaxed=True)}
    missing = [name for name in (*COLUMNS, *sorted(names)) if f"`{name}`" not in page]
    assert missing == []
