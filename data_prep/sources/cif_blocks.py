"""The text of a CIF as blocks of tags and values, with the line of each: what its syntax says, no crystallography.

Own, because pymatgen splits a file at any line that begins with ``data_`` (texts included), keeps the last of two
blocks of one name, knows a tag in one spelling only, and reports no lines.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from data_prep.quarantine import Unusable

_TOKEN = re.compile(r"""\s*(?:(?P<comment>\#.*)|'(?P<single>.*?)'(?=\s|$)|"(?P<double>.*?)"(?=\s|$)|(?P<plain>\S+))""")
_KEYWORD = re.compile(r"(data_|loop_|global_|save_|stop_)", flags=re.IGNORECASE)


@dataclass(frozen=True)
class Value:
    """A piece of a CIF: its text, its line counted from 1, and whether it was quoted (then it is no tag or keyword)."""

    text: str
    line: int
    quoted: bool = False

    @property
    def is_tag(self) -> bool:
        """Whether it is the name of an item."""
        return not self.quoted and self.text.startswith("_")

    @property
    def is_keyword(self) -> bool:
        """Whether it begins a block or a loop."""
        return not self.quoted and bool(_KEYWORD.match(self.text))


@dataclass
class Block:
    """One block: its name, the values of each tag (one, or a column of a loop), and the faults of its loops by tag.

    Tags are in lower case, with ``_`` in place of the dots of newer dictionaries.
    """

    name: str
    line: int
    columns: dict[str, list[Value]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)

    def column(self, tag: str) -> list[Value] | None:
        """Return the values of a tag, None if it has none or only ``?`` and ``.``; raises ``Unusable`` if damaged."""
        if tag in self.faults:
            raise Unusable("unreadable", self.faults[tag])
        values = self.columns.get(tag, [])
        return values if any(value.text not in ("?", ".", "") for value in values) else None

    def value(self, *tags: str) -> Value | None:
        """Return the first value that one of the tags has."""
        return next((found[0] for tag in tags if (found := self.column(tag))), None)

    def add(self, tag: Value, values: list[Value]) -> None:
        """Enter the values of a tag; those of a tag that was there before only count as repeated."""
        name = tag.text.lower().replace(".", "_").rstrip("_")
        if name in self.columns:
            self.repeated[name] = tag.line
        else:
            self.columns[name] = values


def cif_blocks(text: str) -> list[Block]:
    """Return the blocks of a CIF; what stands before the first ``data_`` is a block without a name.

    Raises ``Unusable`` for a text field without an end.
    """
    blocks = [Block("", 1)]
    values = list(_values(text))
    place = 0
    while place < len(values):
        value = values[place]
        place += 1
        if value.is_keyword and value.text.lower().startswith("loop_"):
            place = _read_loop(blocks[-1], values, place, value.line)
        elif value.is_keyword and value.text.lower().startswith(("data_", "global_")):
            blocks.append(Block(value.text.partition("_")[2], value.line))
        elif value.is_tag:
            place = _read_item(blocks[-1], value, values, place)
    return [block for block in blocks if block.columns]


def _values(text: str) -> Iterator[Value]:
    lines = iter(enumerate(text.split("\n"), start=1))
    for number, line in lines:
        if line.startswith(";"):
            yield Value(_text_field(line[1:], lines, number), number, quoted=True)
            continue
        for found in _TOKEN.finditer(line):
            if found["plain"] is not None:
                yield Value(found["plain"], number)
            elif found["comment"] is None:
                yield Value(found["single"] if found["double"] is None else found["double"], number, quoted=True)


def _text_field(first: str, lines: Iterator[tuple[int, str]], start: int) -> str:
    parts = [first]
    for _, line in lines:
        if line.startswith(";"):
            return "\n".join(parts).strip()
        parts.append(line)
    raise Unusable("unreadable", f"the text that begins with ; in line {start} has no end: the file is cut")


def _read_item(block: Block, tag: Value, values: list[Value], place: int) -> int:
    """Enter one tag and its value: what stands beside it, or else the next value."""
    stop = place
    while stop < len(values) and values[stop].line == tag.line and not (values[stop].is_tag or values[stop].is_keyword):
        stop += 1
    if stop == place and place < len(values) and not (values[place].is_tag or values[place].is_keyword):
        stop += 1
    found = values[place:stop]
    whole = [Value(" ".join(value.text for value in found), found[0].line, found[0].quoted)] if found else []
    block.add(tag, whole)
    return stop


def _read_loop(block: Block, values: list[Value], place: int, line: int) -> int:
    tags = []
    while place < len(values) and values[place].is_tag:
        tags.append(values[place])
        place += 1
    start = place
    while place < len(values) and not (values[place].is_tag or values[place].is_keyword):
        place += 1
    items = values[start:place]
    for number, tag in enumerate(tags):
        block.add(tag, items[number :: len(tags)])
    if tags and len(items) % len(tags):
        fault = f"the loop of line {line} has {len(tags)} columns, but {len(items)} values"
        last = f"; its last one stands in line {items[-1].line}"
        block.faults |= {tag.text.lower().replace(".", "_").rstrip("_"): fault + last for tag in tags}
    return place
