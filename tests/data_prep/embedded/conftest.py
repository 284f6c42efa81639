"""The committed table, read once."""

import csv
import gzip

import pytest

from data_prep.embedded import TABLE


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with gzip.open(TABLE, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
