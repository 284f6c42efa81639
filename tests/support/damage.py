"""Files damaged at random, and files made to do harm: what a reader has to survive."""

import os
from pathlib import Path

from hypothesis import strategies as st


class Bomb:
    """An object whose pickle makes the folder ``path`` when it is loaded."""

    def __init__(self, path: Path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """Draw one to three faults of a file: cut, bytes changed, dropped, doubled or put in; or something else at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        fault = draw(st.sampled_from(["cut", "change", "drop", "double", "put in"]))
        length = draw(st.integers(1, 40))
        if fault == "cut":
            del data[place:]
        elif fault == "change":
            data[place : place + length] = draw(st.binary(min_size=length, max_size=length))
        elif fault == "drop":
            del data[place : place + length]
        elif fault == "double":
            data[place:place] = data[place : place + length]
        else:
            data[place:place] = draw(st.binary(min_size=1, max_size=length))
    return bytes(data)


@st.composite
def damaged_text(draw, whole: str, words: list[str]) -> str:
    """Draw one to four faults of a text: lines dropped, doubled or swapped, words changed for ``words`` or junk."""
    lines = whole.splitlines()
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(lines) - 1)))
        fault = draw(st.sampled_from(["drop", "double", "swap", "word", "word", "word", "character", "end"]))
        if not lines:
            break
        if fault == "drop":
            del lines[place]
        elif fault == "double":
            lines.insert(place, lines[place])
        elif fault == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[place], lines[other] = lines[other], lines[place]
        elif fault == "word":
            parts = lines[place].split(" ")
            parts[draw(st.integers(0, len(parts) - 1))] = draw(st.sampled_from(words) | st.text(max_size=6))
            lines[place] = " ".join(parts)
        elif fault == "character":
            column = draw(st.integers(0, len(lines[place])))
            lines[place] = lines[place][:column] + draw(st.characters(codec="utf-8")) + lines[place][column + 1 :]
        else:
            del lines[place:]
    return "\n".join(lines) + draw(st.sampled_from(["\n", "", "\r\n", "\x00"]))
