"""What a generation writes: the candidates that pass, how many pass each filter, and a summary of all samples."""

import csv
import json
from dataclasses import replace

import ase.io
import pytest
from pymatgen.core import Structure

from data_prep.errors import InputError
from data_prep.property_labels import FORMATION_ENERGY
from repro.generation.candidates import Candidate, cell_of
from repro.generation.funnel import Filters, Funnel
from repro.generation.generate import summarise, write_candidates
from tests.support.made_up_crystals import made_up_crystals


class MadeUpGenerator:
    """Yields batches of candidates that are given, whatever is asked for."""

    def __init__(self, *batches: list[Candidate]):
        self.batches = batches

    def sample(self, targets, allowed, parts, progress):
        yield from self.batches


def candidate(number: int, energy: float | None = -1.0, **facts) -> Candidate:
    crystal = made_up_crystals(3)[number % 3]
    structure = crystal.structure()
    usual = {"cif": structure.to(fmt="cif"), "cell": cell_of(structure)}
    usual |= {"same_stoichiometry": True, "charge_balanced": True, "known_formula": False, "n_elements": 3}
    properties = {FORMATION_ENERGY: energy}
    return Candidate(f"made-{number:05d}", "made", "", 0, crystal.formula, True, properties, **usual | facts)


def failed(number: int, **facts) -> Candidate:
    return Candidate(f"made-{number:05d}", "made", "NaCl", 0, **facts)


def rows_of(folder) -> list[dict[str, str]]:
    with open(folder / "candidates.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_the_users_own_is_not_replaced(tmp_path):
    (tmp_path / "cifs").mkdir()
    (tmp_path / "cifs" / "mine.cif").write_text("data_mine")
    with pytest.raises(InputError, match="cifs is there and would be replaced: give another folder with --out"):
        write_candidates(MadeUpGenerator([candidate(0)]), [], None, tmp_path)
    assert (tmp_path / "cifs" / "mine.cif").read_text() == "data_mine" and not (tmp_path / "candidates.csv").exists()


def test_what_an_earlier_command_wrote_is_replaced(tmp_path):
    for number in (0, 1):
        write_candidates(MadeUpGenerator([candidate(number)]), [], None, tmp_path)
        (one,) = (tmp_path / "cifs").iterdir()
        assert one.name.startswith(f"made-{number:05d}")


EVERY = Filters(same_stoichiometry=True, charge_balanced=True, novel=True, energy_window=(-2.0, 0.0))


def test_each_filter_is_counted_in_order_and_the_counts_add_up_over_batches(tmp_path, capsys):
    first = [
        candidate(0, same_stoichiometry=False),
        candidate(1, charge_balanced=False),
        candidate(2, known_formula=True),
        candidate(3, 0.1),
        candidate(4, None),
        candidate(5),
        failed(6, reason="no occupied voxels"),
    ]
    made_up = MadeUpGenerator(first, [candidate(7, -1.5)])
    everything, listed = write_candidates(made_up, [], None, tmp_path, Funnel(EVERY))
    assert [one.id for one in listed] == ["made-00005", "made-00007"] and len(everything) == 8
    assert json.loads((tmp_path / "summary.json").read_text())["filters"] == {
        "valid": 7, "stoichiometry of the base": 6, "charge balance": 5, "formula not in the data": 4,
        "formation energy": 2,
    }  # fmt: skip
    assert [(row["rank"], row["id"]) for row in rows_of(tmp_path)] == [("1", "made-00007"), ("2", "made-00005")]
    assert {path.name for path in (tmp_path / "cifs").iterdir()} == {path.file.split("/")[1] for path in listed}
    assert [one.file for one in everything] == [None] * 5 + [listed[0].file, None, listed[1].file]
    assert "8 samples, 7 decoded; valid 7, stoichiometry of the base 6" in capsys.readouterr().out
    assert not (tmp_path / "parts").exists()


def test_one_memory_of_unique_crystals_serves_all_batches(tmp_path):
    batch = [candidate(0), candidate(1), candidate(3)]  # the first and the last are one crystal
    again = [replace(one, id=f"again-{one.id}") for one in batch]
    _, listed = write_candidates(MadeUpGenerator(batch, again), [], None, tmp_path, Funnel(Filters(unique=True)))
    assert [one.id for one in listed] == ["made-00000", "made-00001"]
    assert json.loads((tmp_path / "summary.json").read_text())["filters"] == {"valid": 6, "unlike all before": 2}


def test_a_search_stops_when_enough_distinct_candidates_have_passed(tmp_path, capsys):
    funnel = Funnel(Filters(unique=True), wanted=2)
    batches = [candidate(0), candidate(3)], [candidate(1), candidate(2)], [candidate(4)]
    everything, listed = write_candidates(MadeUpGenerator(*batches), [], None, tmp_path, funnel)
    assert [one.id for one in listed] == ["made-00000", "made-00001"]
    assert len(everything) == funnel.samples == 4 and funnel.listed == 2
    assert len(list((tmp_path / "cifs").iterdir())) == 2
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["listed"] == 2 and summary["filters"] == {"valid": 4, "unlike all before": 3}
    assert "4 samples, 4 decoded; valid 4, unlike all before 3; 2 ranked in" in capsys.readouterr().out


def test_without_filters_every_sample_is_listed_the_failures_last(tmp_path):
    batch = [failed(0, reason="no occupied voxels"), candidate(1, -0.123456789), candidate(2, -2.0)]
    everything, listed = write_candidates(MadeUpGenerator(batch), [], None, tmp_path)
    assert listed == everything
    rows = rows_of(tmp_path)
    assert [row["id"] for row in rows] == ["made-00002", "made-00001", "made-00000"]
    assert rows[1][FORMATION_ENERGY] == "-0.12346" and rows[2]["reason"] == "no occupied voxels"
    frames = ase.io.read(tmp_path / "candidates.extxyz", index=":")
    assert [frame.info["id"] for frame in frames] == ["made-00002", "made-00001"]
    written = Structure.from_file(tmp_path / rows[0]["file"])  # in the same cell, here
    assert frames[0].cell.volume == pytest.approx(written.volume, rel=1e-5) and frames[0].pbc.all()
    assert sorted(frames[0].numbers) == sorted(written.atomic_numbers)
    assert frames[0].info[FORMATION_ENERGY] == -2.0 and "bulk_modulus" not in frames[0].info
    for row in rows[:2]:
        assert Structure.from_file(tmp_path / row["file"]).composition.reduced_formula == row["formula"]


def test_cifs_of_an_earlier_generation_in_the_folder_are_removed(tmp_path):
    write_candidates(MadeUpGenerator([candidate(0), candidate(1)]), [], None, tmp_path)
    write_candidates(MadeUpGenerator([candidate(2)]), [], None, tmp_path)
    assert [path.name for path in (tmp_path / "cifs").iterdir()] == [f"made-00002-{candidate(2).formula}.cif"]


def test_a_summary_counts_all_samples_those_around_bases_and_the_random_ones():
    around = [replace(candidate(number, energy), base="NaCl") for number, energy in ((0, -1.0), (3, 0.5), (1, None))]
    around[1] = replace(around[1], known_formula=True, same_stoichiometry=False, stability={"e_above_hull": 0.1})
    around[0], around[2] = (
        replace(around[place], stability={"e_above_hull": above}) for place, above in ((0, 0.11), (2, None))
    )
    found = summarise([*around, failed(6, reason="no occupied voxels"), replace(candidate(2), valid=False, cif=None)])
    assert found["around a base"] == {
        "samples": 4, "decoded": 3, "valid": 3, "valid_share": 0.75, "same_stoichiometry": 2, "new_formula": 2,
        "distinct_formulas": 2, "negative_formation_energy": 1, "near_hull": 1, "reasons": {"no occupied voxels": 1},
    }  # fmt: skip
    assert found["random"] == {
        "samples": 1, "decoded": 1, "valid": 0, "valid_share": 0.0, "same_stoichiometry": 0, "new_formula": 0,
        "distinct_formulas": 0, "negative_formation_energy": 0, "near_hull": 0, "reasons": {},
    }  # fmt: skip
    assert found["all"]["samples"] == 5 and found["all"]["valid_share"] == 0.6
    assert "random" not in summarise(around)
