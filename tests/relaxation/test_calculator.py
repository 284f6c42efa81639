"""Structures and their elements relaxed with EMT: formation energies, and limits of time."""

import pytest
from pymatgen.core import Lattice, Structure

from repro.relaxation import calculator as calculators
from repro.relaxation.calculation_store import CONVERGED, TIME_LIMIT, Store
from tests.support.emt import Emt, b2, fcc


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


def test_formation_energies_are_counted_from_relaxed_elements(tmp_path):
    calculator = calculators.Calculator(Emt(), Store(tmp_path), workers=0)
    alloy = {"CuAu": b2("Cu", "Au", 3.15), "element Au": b2("Cu", "Au", 3.2)}  # a file may be called so
    records, elements = calculator.with_elements(alloy)
    assert set(records) == set(alloy)
    energy, reason = calculators.formation_energy(records["CuAu"], alloy["CuAu"], elements)
    bulk = (elements["Cu"]["energy_per_atom"] + elements["Au"]["energy_per_atom"]) / 2
    assert energy == pytest.approx(records["CuAu"]["energy_per_atom"] - bulk) and reason == ""
    elements["Au"] = {"status": calculators.UNAVAILABLE, "reason": "none"}
    assert calculators.formation_energy(records["CuAu"], alloy["CuAu"], elements) == (
        None,
        "the element Au has no reference: none",
    )


def test_energies_without_corrections_get_those_of_the_labels():
    titanate = Structure.from_spacegroup(
        221, Lattice.cubic(3.905), ["Sr", "Ti", "O"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]]
    )
    elements = {symbol: {"status": CONVERGED, "energy_per_atom": -5.0} for symbol in ("Sr", "Ti", "O")}
    record = {"status": CONVERGED, "energy_per_atom": -7.0}
    assert calculators.formation_energy(record, titanate, elements) == (-2.0, "")
    uncorrected = record | {"method": {"corrections": "none"}}
    energy, _ = calculators.formation_energy(uncorrected, titanate, elements)
    assert energy == pytest.approx(-2.0 - 3 * 0.70229 / 5)  # eV per oxygen, the corrections of 2011
    assert calculators.plain_formation_energy(uncorrected, titanate, elements) == (-2.0, "")
