"""The verdict on a relaxation that ended."""

import pytest

from repro.relaxation import relaxation_verdict as verdict
from repro.relaxation.calculation_store import CONVERGED


@pytest.mark.parametrize(
    ("converged", "pressure", "status"),
    [(True, 0.05, CONVERGED), (False, 0.0, verdict.NOT_CONVERGED), (True, -3.1, verdict.UNDER_PRESSURE),
     (True, float("nan"), verdict.UNDER_PRESSURE)],
)  # fmt: skip
def test_only_what_converged_without_pressure_counts(converged, pressure, status):
    assert verdict.final_verdict(converged, pressure)[0] == status
