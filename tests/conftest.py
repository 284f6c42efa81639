"""Fixtures that several test modules share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data and released weights; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("ICSG_SHARED", "../shared"))
    folder = folder if folder.is_absolute() else ROOT / folder
    if not (folder / "reference").is_dir():
        pytest.skip(f"reference data not found at {folder}; set ICSG_SHARED")
    return folder
