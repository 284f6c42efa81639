"""The hull against pymatgen's, against tabulated distances, and on systems whose hull is plain to see."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from data_prep.errors import InputError
from data_prep.hull import convex_hull
from data_prep.hull.convex_hull import MAX_FACET_ELEMENTS, Hull, Phase
from data_prep.hull.table import load_hull
from data_prep.sources.table import LABEL
from tests.support.inputs import inputs

ELEMENTS = [Phase(formula, 0.0) for formula in ("Sr", "Ti", "O2", "Ba", "Al", "Ni")]
OXIDES = [Phase("SrO", -3.0, "a"), Phase("TiO2", -3.4, "b"), Phase("SrTiO3", -3.5, "c"), Phase("Ti(OSr)2", -0.1, "d")]
HULL = Hull([*ELEMENTS, *OXIDES], [frozenset(("Al", "Ni"))], "the made-up hull")


def test_what_a_compound_decomposes_into():
    point = HULL.at(Composition("BaTiO3"))
    assert point.decomposition() == "Ba + 0.5 O2 + TiO2" and not point.covered
    assert point.energy == pytest.approx(-3.4 * 3 / 5)
    assert HULL.at(Composition("Sr2TiO4")).decomposition() == "SrO + SrTiO3"
    assert HULL.at(Composition("Sr4Ti4O12")).decomposition() == "SrTiO3"  # of one reduced formula
    assert HULL.energy_above(Composition("SrTiO3"), -3.6) == pytest.approx(-0.1)  # below all that is known
    assert HULL.energy_above(Composition("SrTiO3"), -3.3) == pytest.approx(0.2)
    assert HULL.at(Composition("O2")).energy == 0


def test_a_system_without_a_compound_of_all_its_elements_is_not_covered():
    covered = {name: HULL.at(Composition(name)).covered for name in ("AlNi", "SrTi2O", "AlTi", "SrAlO3", "Ni")}
    assert covered == {"AlNi": True, "SrTi2O": True, "AlTi": False, "SrAlO3": False, "Ni": True}


def test_oxidation_states_do_not_matter():
    charged = Composition({"Sr2+": 1, "Ti4+": 1, "O2-": 3})
    assert HULL.at(charged) == HULL.at(Composition("SrTiO3"))


def test_an_element_without_a_reference_is_named():
    with pytest.raises(InputError, match="^AmO2: the made-up hull has no reference of Am.$"):
        HULL.at(Composition("AmO2"))
    with pytest.raises(InputError, match="the hull has compounds of Am, but no reference of the element"):
        Hull([Phase("O2", 0.0), Phase("AmO2", -3.0)])


@inputs(2)
@given(st.lists(st.tuples(st.tuples(*[st.integers(0, 4)] * 3), st.floats(-2, 0.5)), max_size=12), st.data())
def test_it_is_pymatgens_hull_and_both_ways_agree(drawn, data):
    symbols = ("Sr", "Ti", "O")
    phases = list(ELEMENTS[:3])
    for amounts, energy in drawn:
        if sum(amount > 0 for amount in amounts) > 1:
            composition = Composition(dict(zip(symbols, amounts, strict=True)))
            phases.append(Phase(composition.reduced_formula, energy))
    wanted = data.draw(st.tuples(*[st.integers(0, 5)] * 3).filter(any))
    composition = Composition(dict(zip(symbols, wanted, strict=True)))
    point = Hull(phases).at(composition)
    diagram = PhaseDiagram([PDEntry(one.composition, one.energy * one.composition.num_atoms) for one in phases])
    assert point.energy == pytest.approx(diagram.get_hull_energy_per_atom(composition), abs=1e-7)
    atoms: Counter[str] = Counter()
    for phase, units in point.products:
        assert units > 0
        atoms.update({symbol: units * count for symbol, count in phase.counts.items()})
    reduced = Composition(composition.reduced_formula).get_el_amt_dict()
    assert dict(atoms) == pytest.approx(reduced, abs=1e-4)


def test_many_elements_go_by_linear_programme(monkeypatch):
    hull, rng = load_hull(), np.random.default_rng(0)
    symbols = sorted(hull.elements)
    drawn = [
        Composition({symbols[i]: int(rng.integers(1, 5)) for i in rng.choice(len(symbols), n, replace=False)})
        for n in (2, 3, 4, 5, MAX_FACET_ELEMENTS + 1, 9)
        for _ in range(5)
    ]
    facets = [hull.at(one).energy for one in drawn]
    monkeypatch.setattr(convex_hull, "MAX_FACET_ELEMENTS", 0)
    assert [hull.at(one).energy for one in drawn] == pytest.approx(facets, abs=1e-9)


def test_it_agrees_with_the_tabulated_distances(shared):
    """F45. Of labels by id: those that were inferred were inferred from these very distances."""
    table = pd.read_csv(shared / "data/mp_cubic.csv.gz")[["species", LABEL, "e_above_hull_2018", "ef_source"]]
    table = table[table.ef_source == "mp_2020_by_id"].dropna().sample(800, random_state=0)
    hull = load_hull()
    compositions = [Composition(Counter(species.split())) for species in table.species]
    above = [hull.energy_above(one, energy) for one, energy in zip(compositions, table[LABEL], strict=True)]
    found, tabulated = np.maximum(above, 0), table.e_above_hull_2018.to_numpy()
    assert np.abs(found - tabulated).mean() < 0.005
    assert ((found <= 1e-4) == (tabulated <= 1e-4)).mean() >= 0.95
    assert ((found <= 0.1) == (tabulated <= 0.1)).mean() >= 0.99
