"""The convex hull of the known compounds' formation energies, for questions of stability (see DATA_CARD.md)."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent  # of the table that comes with the project
CARD = FOLDER / "DATA_CARD.md"
