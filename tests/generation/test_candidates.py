"""A candidate: the order of candidates, and its row of candidates.csv."""

import csv
import io

import pytest

from data_prep.files.atomic import csv_text
from data_prep.property_labels import FORMATION_ENERGY, PROPERTIES
from data_prep.structures.matching import reduced, reduced_match
from repro.generation.candidates import COLUMNS, PREDICTED, Candidate, cell_of, parse_row
from repro.properties.stability import PROBABILITY
from tests.support.made_up_crystals import made_up_crystals


def candidate(id: str, energy: float | None = None, **facts) -> Candidate:
    usual = {"valid": True, "n_elements": 2, "same_stoichiometry": True}
    return Candidate(id, "made", "", 0, properties={FORMATION_ENERGY: energy}, **usual | facts)


def test_valid_compounds_of_the_base_with_low_energies_come_first():
    def near_the_hull(probability: float, covered: bool = True) -> dict:
        return {"stability": {PROBABILITY: probability, "hull_covered": covered}}

    wanted = [
        candidate("likely", -0.5, **near_the_hull(0.9)),
        candidate("less likely", -3.0, **near_the_hull(0.2)),
        candidate("of an unknown system", -2.5, **near_the_hull(1.0, covered=False)),
        candidate("lowest", -2.0),
        candidate("higher", -1.0),
        candidate("without energy"),
        candidate("other stoichiometry", -3.0, same_stoichiometry=False),
        candidate("crowded", -8.0, closeness=0.5),
        candidate("an element", -9.0, n_elements=1),
        Candidate("invalid", "made", "", 0),
    ]
    assert sorted(reversed(wanted), key=lambda one: one.rank) == wanted


def test_a_row_has_every_column_and_comes_back_from_csv_as_it_was():
    one = candidate("made-00001", -1.25, formula="NaCl", n_sites=2, a=5.5, angle_probability=0.5, known_formula=False)
    row = one.to_row()
    assert {"rank", *row} == {*COLUMNS} and row["bulk_modulus"] is None and row[FORMATION_ENERGY] == -1.25
    assert "cif" not in row and "properties" not in row
    text = csv_text([row | {"rank": 1, "mine": 0.5}], [*COLUMNS, "mine"])
    (back,) = csv.DictReader(io.StringIO(text))
    found = parse_row(back)
    assert found.pop("rank") == 1 and found.pop("mine") == 0.5  # a column that is no candidate's is a number
    blanks = {
        "file": "",
        "reason": "",
        "decomposition": "",
        "nearest_known": "",
        "nearest_known_formula": "",
        "hull_covered": False,
        "same_stoichiometry": True,
        "charge_balanced": False,
        "training_formula": False,
    }
    assert found == row | blanks  # of texts and flags; a blank number is None


@pytest.mark.parametrize("row", [{"a": "five"}, {"n_sites": "2.5"}, {"mine": "x"}])
def test_a_number_that_is_none_is_refused(row):
    with pytest.raises(ValueError):
        parse_row(row)


def test_the_columns_have_each_property_once_where_the_formation_energy_stands():
    assert len(set(COLUMNS)) == len(COLUMNS) and COLUMNS[0] == "rank"
    start = COLUMNS.index(FORMATION_ENERGY)
    assert COLUMNS[start : start + len(PREDICTED)] == PREDICTED
    assert PREDICTED[:: len(PREDICTED) // len(PROPERTIES)] == tuple(PROPERTIES)


def test_the_structure_is_that_of_the_cif_and_there_is_none_without():
    crystal = made_up_crystals(1)[0]
    one = candidate("made-00001", cif=crystal.structure().to(fmt="cif"))
    assert one.structure.composition.reduced_formula == crystal.formula and one.structure is one.structure
    assert one.structure.lattice.abc == pytest.approx(crystal.lengths)
    assert candidate("undecoded").structure is None


def test_the_compared_cell_is_that_of_the_cif():
    for crystal in made_up_crystals(6, seed=1):
        structure = crystal.structure()
        one = candidate("made-00001", cif=structure.to(fmt="cif"), cell=cell_of(structure))
        read = reduced(one.structure)
        assert reduced_match(one.reduced, read) and one.reduced.volume == pytest.approx(read.volume, rel=1e-4)
