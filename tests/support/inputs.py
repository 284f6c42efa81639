"""How many inputs a property test gets: a share of the profile's (see ``conftest.py``), for tests of unlike cost."""

from hypothesis import settings


def inputs(share: float = 1.0) -> settings:
    """Return settings with ``share`` of the profile's number of inputs, at least 5."""
    return settings(max_examples=max(5, round(share * settings.default.max_examples)))
