"""The crystals that the published generator was trained and tested on, as base compounds (see DATA_CARD.md)."""

from pathlib import Path

TABLE = Path(__file__).resolve().with_name("crystals.csv.gz")
CARD = TABLE.with_name("DATA_CARD.md")
