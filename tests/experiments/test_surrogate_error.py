"""The surrogate's own error on crystals whose true cells and labels are known, with EMT in the surrogate's place."""

import json

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from experiments import registry, surrogate_error
from repro.relaxation.calculation_store import CONVERGED, Store, structure_from
from repro.relaxation.calculator import Calculator, formation_energy
from repro.relaxation.potentials import POTENTIALS
from repro.relaxation.relaxation_verdict import TOO_CLOSE
from repro.relaxation.surrogate import Surrogate
from repro.run import PUBLISHED_CRYSTALS
from tests.support.emt import Emt, b2
from tests.support.exit_code import run_experiment as main

PEROVSKITE = ((0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5))
HEUSLER = ((0, 0, 0), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), (0.75, 0.75, 0.75))
FCC = Lattice([[0, 3.05, 3.05], [3.05, 0, 3.05], [3.05, 3.05, 0]])
STARTS = {
    "AB": b2("Cu", "Au", 3.1),
    "ABX3": Structure(Lattice.cubic(3.9), ["Au", "Pd", "Cu", "Cu", "Cu"], PEROVSKITE),
    "ABX2": Structure(FCC, ["Pd", "Ag", "Cu", "Cu"], HEUSLER),
}
STRETCHED = {"AB": 1.0, "ABX3": 1.02, "ABX2": 1.0}  # what the label's cell has of EMT's own
OFF = {"AB": 0.0, "ABX3": 0.1, "ABX2": -0.3}  # eV/atom of the label


@pytest.fixture(scope="module")
def crystals(tmp_path_factory) -> list[Crystal]:
    """A crystal of each family, its cell and label EMT's own but for ``STRETCHED`` and ``OFF``."""
    calculator = Calculator(Emt(), Store(tmp_path_factory.mktemp("store")), workers=0)
    records, elements = calculator.with_elements(STARTS)
    found = []
    for family, start in STARTS.items():
        final = structure_from(records[family]["final"])
        final.scale_lattice(final.volume * STRETCHED[family] ** 3)
        label = formation_energy(records[family], start, elements)[0] + OFF[family]
        found.append(crystal_from_structure(final, family, label))
    return found


@pytest.fixture(scope="module")
def found(crystals, tmp_path_factory) -> dict:
    close = Structure(Lattice.cubic(4), ["Cu", "Au"], [[0, 0, 0], [0.075, 0, 0]])
    calculator = Calculator(Emt(), Store(tmp_path_factory.mktemp("store")), workers=0)
    return surrogate_error.compute([*crystals, crystal_from_structure(close, "close", -1.0)], calculator, seed=0)


@pytest.mark.slow
def test_errors_are_counted_against_the_true_cells_and_labels(found):
    rows = {row["id"]: row for row in found["crystals"]}
    for family, stretched in STRETCHED.items():
        row = rows[family]
        assert row["status"] == CONVERGED and row["family"] == family
        assert row["cell_percent_signed"] == pytest.approx(100 * (1 / stretched - 1), abs=0.15)
        assert row["cell_percent"] == pytest.approx(abs(row["cell_percent_signed"]), abs=0.05)
        assert row["formation_energy_error"] == pytest.approx(-OFF[family], abs=2e-3)
    assert rows["close"]["status"] == TOO_CLOSE and "cell_percent" not in rows["close"]


@pytest.mark.slow
def test_families_have_means_of_what_was_relaxed(found):
    every, binaries = found["groups"]["all"], found["groups"]["AB"]
    assert (every["crystals"], every["relaxed"], binaries["crystals"], binaries["relaxed"]) == (4, 3, 2, 1)
    energy = every["formation_energy_error"]
    assert energy["mean"] == pytest.approx((0.1 + 0.3) / 3, abs=2e-3)
    assert energy["median"] == pytest.approx(0.1, abs=2e-3) and energy["largest"] == pytest.approx(0.3, abs=2e-3)
    assert every["formation_energy_error_signed"]["mean"] == pytest.approx((0.3 - 0.1) / 3, abs=2e-3)
    assert every["cell_percent"]["largest"] == pytest.approx(100 - 100 / 1.02, abs=0.15)


@pytest.mark.parametrize("potential", ["chgnet", "sevennet"])
def test_the_error_of_a_potential_is_the_published_one(potential):
    stored = surrogate_error.stored_at(PUBLISHED_CRYSTALS, POTENTIALS[potential].title).with_suffix(".json")
    published = json.loads(stored.read_text())
    for family, error in POTENTIALS[potential].label_errors.items():
        members = [one for one in published["crystals"] if family in ("all", one["family"])]
        measured = surrogate_error.group(members)["label_error"]
        assert error.mean == pytest.approx(measured["mean"], abs=1e-4)
        assert error.half_width == pytest.approx(measured["half_width"], abs=1e-3)
    assert Surrogate(potential=potential).label_error("AB3") == POTENTIALS[potential].label_errors["all"]


@pytest.mark.slow
def test_the_rows_say_how_many_and_how_far_off(found):
    rows = {row[0]: row for row in surrogate_error.cells(found)}
    assert list(rows) == ["all", "AB", "ABX3", "ABX2"] and {len(row) for row in rows.values()} == {6}
    assert rows["all"][1] == "3 of 4" and len(surrogate_error.HEADER) == 6
    error = found["groups"]["all"]["formation_energy_error"]
    assert rows["all"][5] == f"{error['median']:.3f} / {error['largest']:.3f}"
    nothing = {"groups": {"all": surrogate_error.group([])}}
    assert surrogate_error.cells(nothing)[0][1:] == ["0 of 0", "–", "–", "–", "–"]


def made_up(count: int, family: str, numbers: list[int], label: float = -1.0) -> list[Crystal]:
    formula = {"AB": "CuAu", "ABX3": "AuPdCu3", "ABX2": "PdAgCu2"}[family]
    sites, angles = np.zeros((len(numbers), 3)), np.full(3, 90.0)
    return [
        Crystal(f"{family}-{label}-{numbers[0]}-{n}", formula, np.full(3, 3.0), angles, np.array(numbers), sites, label)
        for n in range(count)
    ]


@pytest.mark.slow
def test_the_sample_is_drawn_alike_from_what_has_a_label_and_known_elements():
    binaries = made_up(9, "AB", [29, 79])
    others = made_up(9, "ABX3", [79, 46, 29, 29, 29]) + made_up(9, "ABX2", [46, 47, 29, 29])
    unusable = made_up(50, "AB", [29, 79], float("nan")) + made_up(50, "AB", [10, 29])  # neon has no reference
    crystals = unusable + binaries + others
    chosen = surrogate_error.sample(crystals, 8, seed=0)
    assert [crystal.family for crystal in chosen] == ["AB"] * 3 + ["ABX3"] * 3 + ["ABX2"] * 2
    assert {crystal.id for crystal in chosen} <= {crystal.id for crystal in binaries + others}
    assert len({crystal.id for crystal in chosen}) == 8
    again = surrogate_error.sample(crystals[::-1], 8, seed=0)
    assert [crystal.id for crystal in again] == [crystal.id for crystal in chosen]  # the order of the source is nothing
    assert [crystal.id for crystal in surrogate_error.sample(crystals, 8, seed=1)] != [crystal.id for crystal in chosen]
    with pytest.raises(InputError, match="has 9 labelled crystals of AB, 10 are asked for"):
        surrogate_error.sample(crystals, 30, seed=0)
    with pytest.raises(InputError, match="--count -1: give a number"):
        surrogate_error.sample(crystals, -1, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "name"),
    [("../mp_cubic.csv.gz", "mp_cubic.csv.gz"), ("optimade:https://x.org/v1", "optimade:https://x.org/v1")],
)
def test_the_command_reads_the_common_cache_and_names_the_source(crystals, tmp_path, monkeypatch, capsys, source, name):
    calls = []
    monkeypatch.setattr(surrogate_error, "read_source", lambda *arguments: (calls.append(arguments), (crystals, []))[1])
    calculator = Calculator(Emt(), Store(tmp_path / "store"), workers=0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "calculator_of", lambda options: calculator)
    assert main(["surrogate-error", "--source", source, "--run", "test", "--count", "3"]) == 0
    written = json.loads((tmp_path / "results/test/surrogate_emt.json").read_text())
    assert calls == [(source,)] and written["source"] == name
    assert written["groups"]["all"]["relaxed"] == 3 and written["method"] == {"name": "EMT"}
    assert "| all | 3 of 3 |" in capsys.readouterr().out


def test_results_of_dft_do_not_pass_for_the_surrogates(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["surrogate-error", "--run", "test", "--dft", "--pseudo-dir", str(tmp_path)]) == 2
    assert "--dft is not for this command" in capsys.readouterr().err
    assert not list(tmp_path.rglob("surrogate.json"))
