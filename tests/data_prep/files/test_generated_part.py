"""The generated part of a card: what stands outside the markers is kept."""

import pytest

from data_prep.errors import InputError
from data_prep.files.generated_part import BEGIN, END, write_generated


def test_a_card_keeps_what_stands_outside_the_markers(tmp_path):
    card = tmp_path / "CARD.md"
    card.write_text(f"a\n{BEGIN}\nold\n{END}\nb\n")
    write_generated(card, "new\n")
    assert card.read_text() == f"a\n{BEGIN}\nnew\n{END}\nb\n"
    card.write_text("a")
    with pytest.raises(InputError, match="CARD.md lacks the markers"):
        write_generated(card, "b")
