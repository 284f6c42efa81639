"""The part of a Markdown card that a command writes, between two markers."""

from pathlib import Path

from data_prep.errors import InputError
from data_prep.files.atomic import write_text

BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"


def write_generated(card: Path, generated: str) -> None:
    """Replace the part of a card between the two markers; raises ``InputError`` if one of them is missing."""
    text = card.read_text(encoding="utf-8")
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < begin:
        raise InputError(f"{card} lacks the markers {BEGIN} and {END}: put them back.")
    write_text(card, f"{text[: begin + len(BEGIN)]}\n{generated}{text[end:]}")
