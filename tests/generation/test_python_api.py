"""The generator and the predictions from Python: the same numbers as the commands."""

import csv

import numpy as np
import pandas as pd
import pytest

import repro
from data_prep.errors import InputError
from repro.__main__ import main
from repro.generation.candidates import COLUMNS, PREDICTED, Candidate
from tests.support.exit_code import exit_code
from tests.support.structure_types import perovskite, rock_salt

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def generator():
    return repro.load_generator()


def rows(candidates: list[Candidate]) -> list[dict[str, str]]:
    """Return what candidates.csv lists by default, the valid ones, but their ranks and files."""
    found = []
    for one in sorted(candidates, key=lambda one: one.rank):
        row = {name: f"{value:.5g}" if isinstance(value, float) else value for name, value in one.to_row().items()}
        found.append({name: "" if value is None else str(value) for name, value in row.items() if name != "file"})
    return [row for row in found if row["valid"] == "True"]


def rows_of_command(out, *asked: str) -> list[dict[str, str]]:
    assert exit_code(main, ["generate", *asked, "--out", str(out)]) == 0
    with open(out / "candidates.csv", newline="") as file:
        return [{name: row[name] for name in COLUMNS if name not in ("rank", "file")} for row in csv.DictReader(file)]


def same(one: list[dict], other: list[dict]) -> bool:
    return [sorted(row.items()) for row in one] == [sorted(row.items()) for row in other]


def test_crystals_around_a_base_are_those_of_the_command(generator, tmp_path):
    candidates = list(generator.around("SrTiO3", count=3, seed=5, distance=0.3))
    assert len({one.formula for one in candidates}) == 3 and not any(one.known_formula for one in candidates)
    assert {(one.base, one.sampling, one.valid) for one in candidates} == {("SrTiO3", "neighbours", True)}
    asked = ("--base", "SrTiO3", "--count", "3", "--seed", "5", "--distance", "0.3")
    assert same(rows(candidates), rows_of_command(tmp_path, *asked))
    for one in candidates:
        assert one.structure.composition.reduced_formula == one.formula and len(one.structure) >= one.n_sites
        assert set(one.properties) == set(PREDICTED)
    (other,) = generator.around("SrTiO3", count=1, seed=6, distance=0.3)
    assert other.formula != candidates[0].formula


def test_random_crystals_are_those_of_the_command(generator, tmp_path):
    candidates = list(generator.random(count=3, seed=1, formation_energy=-1.5, elements=["Sr", "Ti", "O", "F"]))
    assert {one.condition for one in candidates} == {generator.condition_of(-1.5)}
    asked = ("--random", "--count", "3", "--seed", "1", "--formation-energy", "-1.5", "--elements", "Sr,Ti,O,F")
    assert same(rows(candidates), rows_of_command(tmp_path, *asked))


def test_crystals_come_one_by_one(generator):
    found = generator.random(count=1000, seed=0)
    assert iter(found) is found
    assert next(found).id.startswith("random-0-")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"count": 0}, "--count 0 asks for nothing"),
        ({"seed": -1}, "--seed -1 is negative"),
        ({"elements": ["Og"]}, "never seen Og"),
        ({"spread": float("nan")}, "--spread nan"),
    ],
)
def test_what_cannot_be_sampled_is_said_at_the_call(generator, options, said):
    for sample in (generator.random, lambda **given: generator.around("SrTiO3", **given)):
        with pytest.raises(InputError, match=said):
            sample(**options)
    with pytest.raises(InputError, match="The base 'SrTiO4' is the formula of no crystal here"):
        generator.around("SrTiO4")
    with pytest.raises(InputError, match="nothing.cif does not exist"):
        generator.around("nothing.cif")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="manifest.json is missing"):
        repro.load_generator(tmp_path)
    with pytest.raises(InputError, match="manifest.json is missing"):
        repro.predict([rock_salt("Na", "Cl", 5.64)], tmp_path)


def test_predictions_are_those_of_the_command(tmp_path):
    structures = {"a": perovskite("Sr", "Ti", "O", 3.905), "b": rock_salt("Na", "Cl", 5.64)}
    for name, structure in structures.items():
        structure.to(str(tmp_path / f"{name}.cif"), fmt="cif")
    assert exit_code(main, ["predict", str(tmp_path), "--out", str(tmp_path / "out.csv")]) == 0
    command, table = pd.read_csv(tmp_path / "out.csv"), repro.predict(list(structures.values()))
    assert list(table.columns) == [name for name in command.columns if name != "id"]
    assert list(table["formula"]) == ["SrTiO3", "NaCl"] and list(table["warning"]) == ["", ""]
    for name in table.columns[1:-1]:
        assert table[name].dtype == np.float64
        np.testing.assert_allclose(table[name], command[name], rtol=1e-3)  # four digits are printed, of CIFs


def test_a_structure_that_has_no_prediction_has_a_row_with_the_reason():
    salt, mixed = rock_salt("Na", "Cl", 5.64), rock_salt("Na", "Cl", 5.64)
    mixed[0] = {"Na": 0.5, "K": 0.5}
    table = repro.predict([None, salt, rock_salt("Am", "O", 5.0), mixed])
    assert len(table) == 4 and list(table["warning"].str.len() > 0) == [True, False, True, True]
    assert table["warning"][0] == "no structure" and "1..94" in table["warning"][2] and "Na:0.5" in table["warning"][3]
    numbers = table.select_dtypes("number")
    assert numbers.loc[[0, 2, 3]].isna().all(axis=None)
    alone = repro.predict([salt]).select_dtypes("number")
    np.testing.assert_allclose(numbers.loc[1], alone.loc[0], rtol=1e-5)
    with pytest.raises(InputError, match="Nothing can be predicted: there is no structure"):
        repro.predict([None])
    with pytest.raises(InputError, match=r"Nothing can be predicted: .*1\.\.94"):
        repro.predict([rock_salt("Am", "O", 5.0)])
