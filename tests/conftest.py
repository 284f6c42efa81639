"""Fixtures that several test modules share."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Inputs of a property test that names no number itself: a few dozen in every run of the tests, the same ones each
# time; thousands, new ones each time, in "make nightly".
settings.register_profile("ci", max_examples=25, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("ci")

ROOT = Path(__file__).resolve().parent.parent

if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes: with a thread a core each they would only wait
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(threads, "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run files that are slow as a whole first: of two processes, none begins the longest when the other has ended."""
    slow = {item.path for item in items if item.getparent(pytest.Module).get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data and released weights; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("ICSG_SHARED", "../shared"))
    folder = folder if folder.is_absolute() else ROOT / folder
    if not (folder / "reference").is_dir():
        pytest.skip(f"reference data not found at {folder}; set ICSG_SHARED")
    return folder
