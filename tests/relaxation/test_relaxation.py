"""Relaxations: verdicts, the store, the pool, changes, Table 3 and the command, with EMT in the surrogate's place."""

import csv
import errno
import json
import os
import signal
import sys
from concurrent.futures import Future
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT
from pymatgen.core import Lattice, Structure

from data_prep.errors import InputError
from experiments import table3
from experiments.__main__ import main as experiments
from experiments.reporting.material import gather
from experiments.reporting.stored_sections import table_3
from repro.relaxation import calculator as calculators
from repro.relaxation import fan_out
from repro.relaxation import relaxation_changes as changes
from repro.relaxation import relaxation_verdict as verdict
from repro.relaxation.calculation_options import CalculationOptions
from repro.relaxation.calculation_store import (
    CONVERGED,
    CRASHED,
    TIME_LIMIT,
    Store,
    key_of,
    structure_from,
    structure_record,
)
from repro.relaxation.chgnet import Surrogate, relax
from repro.relaxation.relax_files import relax_files, relax_generated, relax_structures
from tests.support.made_up_run import made_up_run

FAST, ROUGH = Surrogate(seconds=1000), Surrogate(seconds=1000, force=0.015)


def fcc(symbol: str, a: float) -> Structure:
    return Structure.from_spacegroup(225, Lattice.cubic(a), [symbol], [[0, 0, 0]]).get_primitive_structure()


def b2(one: str, other: str, a: float) -> Structure:
    return Structure(Lattice.cubic(a), [one, other], [[0, 0, 0], [0.5, 0.5, 0.5]])


@dataclass(frozen=True)
class Emt:
    """A method for tests: ASE's effective medium theory, quick, of Al, Ni, Cu, Pd, Ag, Pt and Au."""

    seconds: float = ROUGH.seconds

    def method(self, elements=()) -> dict:
        if unknown := set(elements) - {"Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"}:
            raise InputError(f"EMT has no {unknown.pop()}.")
        return {"name": "EMT"}

    key = method

    def job(self, structure: Structure, relax_cell: bool) -> tuple:
        return emt_job, (structure_record(structure), relax_cell, self.seconds)


def emt_job(start: dict, relax_cell: bool, seconds: float, key: str, root: str) -> dict:
    record = relax(structure_from(start), EMT(), replace(ROUGH, seconds=seconds), relax_cell)
    return Store(Path(root)).put(key, record | {"method": {"name": "EMT"}, "limit": seconds, "start": start})


def counting_job(number: int, key: str, root: str) -> dict:
    """Note each call; fail for number 2."""
    with open(Path(root) / "calls", "a") as file:
        file.write(f"{number}\n")
    if number == 2:
        (Store(Path(root)).folder(key)).mkdir(parents=True)
        raise RuntimeError("planted")
    return Store(Path(root)).put(key, {"status": CONVERGED, "reason": "", "number": number})


def test_relaxing_finds_the_lattice_constant_of_emt_and_leaves_no_pressure():
    record = relax(fcc("Cu", 3.75), EMT(), FAST)
    assert record["status"] == CONVERGED
    a = (4 * structure_from(record["final"]).volume) ** (1 / 3)
    assert a == pytest.approx(3.59, abs=0.01)  # EMT's own
    assert abs(record["pressure"]) < verdict.PRESSURE and record["largest_force"] < FAST.force
    assert record["energy_per_atom"] == pytest.approx(-0.0056, abs=0.002)


def test_atoms_too_close_are_not_even_started():
    close = Structure(Lattice.cubic(4), ["Cu", "Cu"], [[0, 0, 0], [0.075, 0, 0]])
    record = relax(close, None, FAST)
    assert record["status"] == verdict.TOO_CLOSE and "0.30 Å" in record["reason"]


class Pushing(AseCalculator):
    """A calculator whose cell always wants to grow."""

    implemented_properties = ("energy", "forces", "stress")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        forces, stress = np.zeros((len(self.atoms), 3)), np.array([-5.0, -5.0, -5.0, 0, 0, 0])
        self.results = {"energy": -self.atoms.get_volume(), "forces": forces, "stress": stress}


def test_a_structure_that_explodes_is_stopped_and_said_so():
    record = relax(fcc("Cu", 3.6), Pushing(), FAST)
    assert record["status"] == verdict.EXPLODED and "times its volume" in record["reason"]


def test_the_time_limit_ends_a_relaxation():
    record = relax(fcc("Cu", 3.9), EMT(), Surrogate(seconds=0.0))
    assert record["status"] == TIME_LIMIT


@pytest.mark.parametrize(
    ("converged", "pressure", "status"),
    [(True, 0.05, CONVERGED), (False, 0.0, verdict.NOT_CONVERGED), (True, -3.1, verdict.UNDER_PRESSURE),
     (True, float("nan"), verdict.UNDER_PRESSURE)],
)  # fmt: skip
def test_only_what_converged_without_pressure_counts(converged, pressure, status):
    assert verdict.final_verdict(converged, pressure)[0] == status


def test_the_key_follows_structure_and_method():
    one = b2("Cu", "Au", 3.1)
    assert key_of(one, {"a": 1}) == key_of(structure_from(structure_record(one)), {"a": 1})
    assert len({key_of(one, {"a": 1}), key_of(one, {"a": 2}), key_of(b2("Cu", "Au", 3.11), {"a": 1})}) == 3


def test_a_damaged_record_is_named(tmp_path):
    store = Store(tmp_path)
    store.put("x", {"status": CONVERGED})
    (tmp_path / "records" / "x.json").write_text("{")
    with pytest.raises(InputError, match="x.json is damaged"):
        store.get("x")


@pytest.mark.slow
def test_what_ended_at_a_time_limit_is_tried_again_with_a_larger_one(tmp_path):
    def copper(seconds: float) -> dict:
        calculator = calculators.Calculator(Emt(seconds), Store(tmp_path), workers=0)
        return calculator.relaxed({"Cu": fcc("Cu", 3.9)})["Cu"]

    first = copper(0.0)
    assert first["status"] == TIME_LIMIT and copper(0.0)["began"] == first["began"]
    second = copper(1000.0)
    assert second["status"] == CONVERGED and second["key"] == first["key"]
    assert copper(0.0)["began"] == second["began"]  # finished: no limit counts any more


def test_the_limit_of_older_records_is_read_from_their_reason(tmp_path):
    store = Store(tmp_path)
    store.put("pw", {"status": TIME_LIMIT, "reason": "not converged within 86400 s"})
    store.put("chgnet", {"status": TIME_LIMIT, "reason": "not converged within 120 s of CPU time"})
    assert store.get("pw", 86400.0) and store.get("pw", 86401.0) is None
    assert store.get("chgnet", 120.0) and store.get("chgnet", 121.0) is None


def test_the_time_limit_is_no_part_of_the_surrogates_key_and_the_first_default_stays_in_it(monkeypatch):
    monkeypatch.setattr("repro.relaxation.chgnet.versions", lambda: {"chgnet": "0.4.2"})
    assert Surrogate(seconds=5).key() == Surrogate().key() != Surrogate(force=0.1).key()
    assert Surrogate().key() == {"name": "CHGNet", "force": 0.01, "steps": 1000, "seconds": 120.0, "chgnet": "0.4.2"}
    assert Surrogate(seconds=5).method()["seconds"] == 5


def test_one_failing_job_does_not_stop_the_rest_and_finished_ones_are_not_repeated(tmp_path):
    store, jobs = Store(tmp_path), {f"k{n}": (counting_job, (n,)) for n in range(4)}
    found = fan_out.fan_out(jobs, store, workers=0)
    assert [found[f"k{n}"]["status"] for n in range(4)] == [CONVERGED, CONVERGED, CRASHED, CONVERGED]
    assert "planted" in found["k2"]["reason"] and found["k2"]["folder"] == str(store.folder("k2"))
    store.folder("k2").rmdir()
    fan_out.fan_out(jobs, store, workers=0)
    assert (tmp_path / "calls").read_text().split() == ["0", "1", "2", "3", "2"]  # only the crash is tried again


def test_a_full_disk_stops_the_run(tmp_path, monkeypatch):
    def full(path, value):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("repro.relaxation.calculation_store.write_json", full)
    with pytest.raises(OSError, match="No space left"):
        fan_out.fan_out({"k1": (counting_job, (1,))}, Store(tmp_path), workers=0)


def failing_job(number: int, key: str, root: str) -> dict:
    """Fail for number 0 as where a program is missing on one node."""
    if number == 0:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "pw.x")
    return Store(Path(root)).put(key, {"status": CONVERGED, "reason": ""})


def test_a_file_that_one_job_lacks_does_not_stop_the_others(tmp_path):
    found = fan_out.fan_out({f"k{n}": (failing_job, (n,)) for n in range(2)}, Store(tmp_path), workers=0)
    assert [found[key]["status"] for key in ("k0", "k1")] == [CRASHED, CONVERGED]
    assert "pw.x" in found["k0"]["reason"]


def suicidal_job(number: int, key: str, root: str) -> dict:
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return Store(Path(root)).put(key, {"status": CONVERGED, "reason": "", "number": number})


@pytest.mark.skipif(
    not (find_spec("parsl") and find_spec("quacc")), reason="quacc or Parsl is not installed (extra 'surrogate')"
)
def test_a_killed_worker_is_recorded_and_the_others_go_on(tmp_path):
    jobs = {f"k{n}": (suicidal_job, (n,)) for n in range(3)}
    found = fan_out.fan_out(jobs, Store(tmp_path), workers=1)
    assert [found[f"k{n}"]["status"] for n in range(3)] == [CRASHED, CONVERGED, CONVERGED]


def test_the_environment_of_the_workers_is_not_left_behind(tmp_path, monkeypatch):
    seen = {}

    def load(configuration):
        seen.update(os.environ)
        return SimpleNamespace(cleanup=lambda: None)

    def job(function):
        def app(*arguments, **options):
            done = Future()
            done.set_result(function(*arguments, **options))
            return done

        return app

    settings = SimpleNamespace(WORKFLOW_ENGINE="parsl")
    monkeypatch.setitem(sys.modules, "parsl", SimpleNamespace(load=load, clear=lambda: None))
    monkeypatch.setitem(sys.modules, "quacc", SimpleNamespace(get_settings=lambda: settings, job=job))
    monkeypatch.setattr(fan_out, "local_pool", lambda store, workers: None)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    found = fan_out.fan_out({f"k{n}": (counting_job, (n,)) for n in range(2)}, Store(tmp_path))
    assert [found[f"k{n}"]["number"] for n in range(2)] == [0, 1]
    assert dict(os.environ) == before
    assert seen["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert seen["PYTHONPATH"].split(os.pathsep)[0] == str(fan_out.ROOT)
    assert (seen["QUACC_WORKFLOW_ENGINE"], seen["OMP_NUM_THREADS"], seen["MKL_NUM_THREADS"]) == ("parsl", "3", "1")


def test_changes_of_a_uniform_strain_and_of_a_moved_atom():
    start = b2("Cu", "Au", 3.0)
    grown = changes.changes(start, b2("Cu", "Au", 3.03))
    assert grown["cell_percent"] == pytest.approx(1.0) and grown["bonds_percent"] == pytest.approx(1.0)
    assert grown["bonds_percent_of_cell"] == pytest.approx(np.sqrt(3) / 2)  # eight bonds of sqrt(3)/2 a
    assert grown["volume_percent"] == pytest.approx(100 * (1.01**3 - 1))
    moved = start.copy()
    moved.translate_sites([1], [0.02, 0, 0], to_unit_cell=False)
    assert changes.changes(start, moved)["cell_percent"] == 0
    assert changes.changes(start, moved)["bonds_percent"] == pytest.approx(100 * 0.02 * 2 / 3, rel=0.05)


def test_formation_energies_are_counted_from_relaxed_elements(tmp_path):
    calculator = calculators.Calculator(Emt(), Store(tmp_path), workers=0)
    alloy = {"CuAu": b2("Cu", "Au", 3.15)}
    records, elements = calculator.with_elements(alloy)
    energy, reason = calculators.formation_energy(records["CuAu"], alloy["CuAu"], elements)
    bulk = (elements["Cu"]["energy_per_atom"] + elements["Au"]["energy_per_atom"]) / 2
    assert energy == pytest.approx(records["CuAu"]["energy_per_atom"] - bulk) and reason == ""
    elements["Au"] = {"status": calculators.UNAVAILABLE, "reason": "none"}
    assert calculators.formation_energy(records["CuAu"], alloy["CuAu"], elements) == (
        None,
        "the element Au has no reference: none",
    )


def candidate(name: str, family: str, predicted: float) -> dict:
    return {"id": name, "base": "AlNi", "family": family, "spacegroup": "221", "n_sites": "2", "min_distance": "2.5",
            "base_energy": "-0.6", "formation_energy_per_atom": str(predicted)}  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    structures = {"one": b2("Al", "Ni", 3.0), "two": b2("Cu", "Au", 3.2), "far": b2("Na", "Cl", 3.2)}
    structures["close"] = Structure(Lattice.cubic(4), ["Cu", "Au"], [[0, 0, 0], [0.075, 0, 0]])
    rows = [candidate(name, "AB", -0.4) for name in structures]
    calculator = calculators.Calculator(Emt(), Store(tmp_path_factory.mktemp("store")), workers=0)
    return table3.compute(rows, structures, calculator)


@pytest.mark.slow
def test_table3_counts_changes_and_names_what_was_not_relaxed(table):
    part = table["groups"]["AB"]
    assert part["candidates"] == 4 and part["relaxed"] == 2
    assert part["others"] == {calculators.UNAVAILABLE: 1, verdict.TOO_CLOSE: 1}
    rows = {row["id"]: row for row in table["candidates"]}
    assert rows["one"]["formation_energy_difference"] == pytest.approx(abs(-0.4 - rows["one"]["formation_energy"]))
    assert part["cell_percent"]["mean"] == pytest.approx(
        (rows["one"]["cell_percent"] + rows["two"]["cell_percent"]) / 2
    )
    assert rows["far"]["reason"] and rows["far"]["formation_energy"] is None


def test_table3_is_headed_as_surrogate_and_keeps_to_its_own_files(table, tmp_path):
    table3.render(table, tmp_path / "table3")
    text = (tmp_path / "table3.md").read_text()
    assert text.startswith("**Surrogate numbers") and "not by DFT" in text
    assert "| perovskites (ABX3) | 30 | 5.23 | 0.57 | 0 | 0 of 0 |" in text and "2 of 4" in text
    assert not (tmp_path / "table3_dft.json").exists()
    assert sorted(path.name for path in (tmp_path / "table3_relaxed").iterdir()) == ["one.cif", "two.cif"]
    with open(tmp_path / "table3_candidates.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 and rows[0]["relaxed"] == "table3_relaxed/one.cif"
    assert "records" not in json.loads((tmp_path / "table3.json").read_text())


def test_table3_says_to_make_table2_first(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert experiments(["table3", "--run", "test"]) == 2
    assert "make table2" in capsys.readouterr().err


def test_relaxed_crystals_become_cifs_and_a_table_and_are_not_calculated_twice(tmp_path, capsys, monkeypatch):
    calculator = calculators.Calculator(Emt(), Store(tmp_path / "store"), workers=0)
    structures = {"a": b2("Al", "Ni", 2.95), "b": b2("Cu", "Na", 3.1)}
    relax_structures(structures, calculator, tmp_path / "out")
    assert "1 of 2 relaxed" in capsys.readouterr().out
    relaxed = Structure.from_file(tmp_path / "out" / "relaxed" / "a.cif")
    with open(tmp_path / "out" / "relaxed.csv", newline="") as file:
        row = next(csv.DictReader(file))
    assert relaxed.lattice.a == pytest.approx(float(row["a_relaxed"]), abs=1e-4)
    monkeypatch.setattr("tests.relaxation.test_relaxation.emt_job", None)  # a job that ran would crash
    relax_structures(structures, calculator, tmp_path / "out")
    assert "1 of 2 relaxed" in capsys.readouterr().out


def with_calculator(calculator: calculators.Calculator) -> SimpleNamespace:
    """Return options that choose a calculator of the test's own."""
    return SimpleNamespace(calculator=lambda: calculator)


def test_a_folder_of_which_nothing_can_be_relaxed_is_a_mistake(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    b2("Cu", "Na", 3.1).to(tmp_path / "in" / "salt.cif")
    calculator = calculators.Calculator(Emt(), Store(tmp_path / "store"), workers=0)
    with pytest.raises(InputError, match="in: nothing could be relaxed"):
        relax_files(tmp_path / "in", tmp_path / "out", with_calculator(calculator))
    assert "EMT has no Na" in capsys.readouterr().err
    assert (tmp_path / "out" / "relaxed.csv").exists()


@pytest.mark.parametrize("path", ["x.cif", "."])
def test_without_out_the_results_go_beside_the_folder(tmp_path, monkeypatch, path):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    b2("Al", "Ni", 2.95).to("x.cif")
    calculator = calculators.Calculator(Emt(), Store(tmp_path / "store"), workers=0)
    relax_files(Path(path), None, with_calculator(calculator))
    assert (tmp_path / "in-relaxed" / "relaxed" / "x.cif").exists()


def test_beside_the_root_there_is_no_folder(monkeypatch):
    monkeypatch.setattr("repro.relaxation.relax_files.read_structures", lambda path: ([None], []))
    with pytest.raises(InputError, match="/x.cif has no folder.*--out"):
        relax_files(Path("/x.cif"), None, CalculationOptions())


def test_two_structures_of_one_name_are_both_relaxed(tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    b2("Al", "Ni", 2.95).to(folder / "a.cif")
    sites = "3.1,3.1,3.1,90,90,90,Cu Au,0 0 0 0.5 0.5 0.5\n"
    table = "".join(f"{id},{sites}" for id in ("a", "a", "b/c", "b_c"))
    (folder / "table.csv").write_text("id,a,b,c,alpha,beta,gamma,species,frac\n" + table)
    calculator = calculators.Calculator(Emt(), Store(tmp_path / "store"), workers=0)
    relax_files(folder, tmp_path / "out", with_calculator(calculator))
    with open(tmp_path / "out" / "relaxed.csv", newline="") as file:
        rows = {row["id"]: row["formula"] for row in csv.DictReader(file)}
    assert rows == {"a": "AlNi", "a-2": "CuAu", "a-3": "CuAu", "b/c": "CuAu", "b_c-2": "CuAu"}
    assert len(list((tmp_path / "out" / "relaxed").iterdir())) == 5
    assert "a: listed as a-2, because a is the name of another structure" in capsys.readouterr().err


def test_generated_candidates_are_relaxed_by_their_ids_with_the_usual_calculator(tmp_path, capsys, monkeypatch):
    calculator = calculators.Calculator(Emt(), Store(tmp_path / "store"), workers=0)
    monkeypatch.setattr("repro.relaxation.relax_files.CalculationOptions", lambda: with_calculator(calculator))
    (row,) = relax_generated({"made-00001": b2("Al", "Ni", 2.95)}, tmp_path / "out")
    assert (row["id"], row["status"]) == ("made-00001", CONVERGED)
    assert (tmp_path / "out" / "relaxed" / "made-00001.cif").exists()
    assert relax_generated({}, tmp_path / "none") == [] and not (tmp_path / "none").exists()
    assert "No candidate is left to relax." in capsys.readouterr().out


def test_a_missing_parsl_configuration_is_named(tmp_path):
    with pytest.raises(InputError, match="nothing.py is not there"):
        fan_out.read_configuration(tmp_path / "nothing.py")
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(InputError, match="sets no 'config'"):
        fan_out.read_configuration(tmp_path / "empty.py")


@pytest.mark.skipif(not find_spec("parsl"), reason="Parsl is not installed (extra 'surrogate')")
def test_the_example_for_slurm_is_a_configuration():
    config = fan_out.read_configuration(Path(fan_out.__file__).with_name("slurm.py"))
    assert [executor.label for executor in config.executors] == ["slurm"]


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    from data_prep.embedded import chgnet_model

    def missing():
        raise InputError("CHGNet cannot be imported") from ImportError("No module named 'chgnet'")

    from repro.relaxation import chgnet

    chgnet.potential.cache_clear()
    monkeypatch.setattr(chgnet_model, "load_model", missing)
    with pytest.raises(InputError, match="No module named 'chgnet': run 'make surrogate' once"):
        chgnet.versions()


def test_the_report_shows_table3_beside_the_papers_and_says_when_it_is_old(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = made_up_run()
    assert "make table3" in table_3(gather(run)).blocks[0].text
    table3.render(table | {"identity": ""}, run.results / "table3")
    section = table_3(gather(run))
    shown, every = (block for block in section.blocks if block.kind == "table")
    assert shown.rows[2][:5] == ("binaries (AB)", "24", "10.88", "2.65", "0") and shown.rows[2][5] == "2 of 4"
    assert "not by DFT" in shown.caption and "not by DFT" in every.caption
    assert [row[-1] for row in every.rows] == ["converged", "converged", calculators.UNAVAILABLE, verdict.TOO_CLOSE]
    table3.render(table | {"identity": "another generation"}, run.results / "table3")
    assert "out of date" in table_3(gather(run)).blocks[0].text
