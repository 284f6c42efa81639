"""The fit recovers analytic data, and the search finds the minimum or says that there is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.embedded.equation_of_state import (
    DEFAULT_SEARCH,
    EV_PER_CUBIC_ANGSTROM,
    NoMinimum,
    fit_birch_murnaghan,
    search_minimum,
)


def birch_murnaghan(volume, v0, e0, bulk_modulus, derivative=4.5):
    """The third-order Birch-Murnaghan energy (eV) as Birch wrote it; ``bulk_modulus`` in GPa."""
    eta = (v0 / volume) ** (2 / 3)
    k = bulk_modulus / EV_PER_CUBIC_ANGSTROM
    return e0 + 9 * v0 * k / 16 * ((eta - 1) ** 3 * derivative + (eta - 1) ** 2 * (6 - 4 * eta))


@settings(max_examples=50, deadline=None)
@given(st.floats(5, 80), st.floats(-15, 0), st.floats(5, 500), st.floats(2.5, 7))
def test_fit_recovers_analytic_data(v0, e0, bulk_modulus, derivative):
    volumes = v0 * np.linspace(0.93, 1.06, 5)
    fit = fit_birch_murnaghan(volumes, birch_murnaghan(volumes, v0, e0, bulk_modulus, derivative))
    assert fit.volume == pytest.approx(v0, rel=1e-5)
    assert fit.energy == pytest.approx(e0, abs=1e-6)
    assert fit.bulk_modulus == pytest.approx(bulk_modulus, rel=1e-3)
    assert fit.misfit < 1e-6


def test_fit_without_a_minimum_is_refused():
    volumes = np.linspace(10, 12, 5)
    x = 100 * (volumes ** (-2 / 3) - 11 ** (-2 / 3))
    with pytest.raises(NoMinimum, match="failed fit"):
        fit_birch_murnaghan(volumes, x**3 + x)


def finish(search, energy):
    """Answer a search with ``energy(a)`` and return its result and how many energies it asked for."""
    asked, wanted = 0, next(search)
    while True:
        asked += len(wanted)
        try:
            wanted = search.send(energy(wanted))
        except StopIteration as finished:
            return finished.value, asked


@settings(max_examples=50, deadline=None)
@given(st.floats(4, 8), st.floats(0.8, 1.35), st.floats(10, 300))
def test_search_finds_the_minimum_from_a_poor_guess(a0, off, bulk_modulus):
    v0 = a0**3 / 8
    result, asked = finish(
        search_minimum(a0 / off, 8, 0.5), lambda a: birch_murnaghan(a**3 / 8, v0, -3.0, bulk_modulus)
    )
    assert result.a == pytest.approx(a0, rel=1e-4)
    assert result.energy == pytest.approx(-3.0, abs=1e-5)
    assert result.fit.bulk_modulus == pytest.approx(bulk_modulus, rel=0.02)
    assert result.residual_pressure < DEFAULT_SEARCH.tolerance
    assert asked <= 5 + 2 * 3 + 2 * DEFAULT_SEARCH.fine_points + 6


@pytest.mark.parametrize("slope", [-1.0, 1.0])
def test_search_without_a_minimum_says_so(slope):
    with pytest.raises(NoMinimum, match="no bracketed minimum"):
        finish(search_minimum(5.0, 8, 0.5), lambda a: slope * np.asarray(a))


def test_search_never_asks_for_atoms_closer_than_one_angstrom():
    asked = []

    def collapsing(a):
        asked.extend(a)
        return np.asarray(a, dtype=float)

    with pytest.raises(NoMinimum):
        finish(search_minimum(2.4, 8, 0.5), collapsing)
    assert min(asked) * 0.5 >= 1.0
