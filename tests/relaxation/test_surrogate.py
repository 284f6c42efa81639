"""Relaxations with an ASE calculator, EMT in place of a potential, and the surrogate's key and versions."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT
from pymatgen.core import Lattice, Structure

from data_prep.errors import InputError
from repro.relaxation import relaxation_verdict as verdict
from repro.relaxation.calculation_store import CONVERGED, TIME_LIMIT, structure_from
from repro.relaxation.potentials import POTENTIALS, load_chgnet, load_sevennet
from repro.relaxation.surrogate import Surrogate, relax
from tests.support.emt import FAST, fcc


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


def test_the_time_limit_is_no_part_of_the_surrogates_key_and_the_first_default_stays_in_it(monkeypatch):
    monkeypatch.setitem(POTENTIALS, "chgnet", replace(POTENTIALS["chgnet"], versions=lambda: {"chgnet": "0.4.2"}))
    assert Surrogate(seconds=5).key() == Surrogate().key() != Surrogate(force=0.1).key()
    assert Surrogate().key() == {"name": "CHGNet", "force": 0.01, "steps": 1000, "seconds": 120.0, "chgnet": "0.4.2"}
    assert Surrogate(seconds=5).method()["seconds"] == 5


@pytest.mark.parametrize(
    ("potential", "load", "package", "target"),
    [
        ("chgnet", load_chgnet, "chgnet", "make surrogate"),
        ("sevennet", load_sevennet, "sevenn", "make sevennet"),
    ],
)
def test_a_potential_that_is_not_installed_is_named_with_its_remedy(monkeypatch, potential, load, package, target):
    load.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(InputError, match=f"run '{target}' once"):
        Surrogate(potential=potential).method()
