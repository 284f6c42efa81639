"""Matbench: its folds, files of its layout, the whole way on a made-up folder, and what cannot be read."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from data_prep.files.atomic import write_text
from experiments.matbench import BENCHMARKS, folds_of, read_task
from tests.support.made_up_crystals import made_up_crystals
from tests.support.pipeline import RUN, experiment

OVERLAPPING = Structure(Lattice.cubic(4), ["Na", "Cl"], [[0, 0, 0], [0.999, 0, 0]])


def write_task(folder: Path, name: str, rows: list[tuple[Structure, float]]) -> Path:
    """Write rows as matminer's dataset store has them."""
    column = "structure", name.removeprefix("matbench_")
    content = {"index": list(range(len(rows))), "columns": column, "data": [[one.as_dict(), y] for one, y in rows]}
    path = folder / f"{name}.json.gz"
    with gzip.open(path, "wt") as file:
        json.dump(content, file)
    return path


def test_the_folds_are_those_of_matbench():
    # Published with the benchmark: five folds, each crystal held out once, the same in every release.
    folds = folds_of(4764)
    assert [len(test) for _, test in folds] == [953, 953, 953, 953, 952]
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(4764))
    assert all(not set(train) & set(test) for train, test in folds)
    np.testing.assert_array_equal(folds[0][1], folds_of(4764)[0][1])


@pytest.mark.slow
def test_a_folder_of_its_layout_gives_the_error_of_every_fold(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    structures = [crystal.structure() for crystal in made_up_crystals(40)]
    rows = [(one, 0.3 + one.lattice.a / 10) for one in structures] + [(OVERLAPPING, 9.0)]
    write_task(tmp_path, "matbench_log_kvrh", rows)
    assert experiment("matbench", "--data", str(tmp_path), "--folds", "2") == 0
    assert "matbench_log_kvrh, fold 1: MAE" in capsys.readouterr().out
    write_task(tmp_path, "matbench_log_kvrh", rows[1:])
    assert experiment("matbench", "--data", str(tmp_path), "--folds", "1") == 2
    assert "matbench/matbench_log_kvrh-0 was made with content = " in capsys.readouterr().err
    (row,) = json.loads(next(Path("results").rglob("matbench.json")).read_text())["rows"]
    assert (row["crystals"], row["without graph"], len(row["folds"])) == (41, 1, 2)
    assert row["mae"] == pytest.approx(np.mean(row["folds"])) and 0 < row["mae"] < 5
    assert BENCHMARKS["matbench_log_kvrh"].scale == pytest.approx(0.4343, abs=1e-4)


def test_networks_of_unknown_settings_are_not_taken_for_a_fold(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    structures = [crystal.structure() for crystal in made_up_crystals(6)]
    write_task(tmp_path, "matbench_mp_gap", [(one, float(row)) for row, one in enumerate(structures)])
    folder = RUN.folder("matbench") / "matbench_mp_gap-0"
    write_text(folder / "best.weights.h5", "of an earlier version")
    assert experiment("matbench", "--data", str(tmp_path)) == 2
    error = capsys.readouterr().err
    assert f"{folder} has networks, but not what they were trained with: remove that folder." in error
    assert [path.name for path in folder.iterdir()] == ["best.weights.h5"]


def test_structures_and_values_are_read_as_they_were_written(tmp_path):
    structures = [crystal.structure() for crystal in made_up_crystals(6)]
    path = write_task(tmp_path, "matbench_dielectric", [(one, float(row)) for row, one in enumerate(structures)])
    found, values = read_task(path)
    assert found == structures and values.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"{}"), gzip.compress(b'{"data": [[1, 2]]}')],
    ids=["empty", "no gzip", "no data", "no structure"],
)
def test_a_file_that_is_none_is_named(tmp_path, monkeypatch, capsys, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "matbench_mp_gap.json.gz").write_bytes(content)
    assert experiment("matbench", "--data", str(tmp_path)) == 2
    assert "matbench_mp_gap.json.gz is no file of Matbench" in capsys.readouterr().err


def test_what_is_not_there_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert experiment("matbench", "--data", str(tmp_path)) == 2
    assert "matbench_mp_e_form.json.gz is not there" in capsys.readouterr().err
    assert experiment("matbench", "--data", str(tmp_path), "--task", "matbench_steels") == 2
    assert "--task matbench_steels: give one of matbench_mp_e_form" in capsys.readouterr().err
    assert experiment("matbench", "--data", str(tmp_path), "--folds", "6") == 2
