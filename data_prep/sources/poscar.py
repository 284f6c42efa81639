"""POSCARs as VASP takes them: comments, one or three scales, velocities after the sites."""

import re
from pathlib import Path

import numpy as np
from pymatgen.core import Element, Structure

from data_prep.quarantine import MOST_SITES_READ, Unusable
from data_prep.sources.frames import Frame, read_text

FEWEST_LINES = 7  # title, scale, three vectors, counts, kind of coordinates


def read_poscar(path: Path) -> Frame:
    """Return the structure of a POSCAR or CONTCAR; raises ``Unusable`` naming the line of a fault."""
    return Frame(poscar_structure(read_text(path)))


def poscar_structure(text: str) -> Structure:
    """Return the structure of a POSCAR's text, without velocities and what else follows the sites.

    Raises ``Unusable`` for one without the symbols of its elements, with fewer sites than it counts, with further
    sites or a second structure after them.
    """
    title, _, rest = text.partition("\n")
    lines = [title, *(re.sub(r"[!#].*", "", line).rstrip() for line in rest.split("\n"))]
    if sum(bool(line.strip()) for line in lines) < FEWEST_LINES:
        raise Unusable("unreadable", f"{len(lines)} lines are too few for a POSCAR: is the file cut?")
    if not re.match(r"\s*[A-Za-z]", lines[5]):
        raise Unusable("unknown_element", "the file names no elements: write their symbols above their counts")
    count = _count(lines[6])
    first = 9 if lines[7].strip()[:1].lower() == "s" else 8  # after "Selective dynamics"
    sites, after = lines[first : first + count], lines[first + count :]
    if len(sites) < count or not all(line.strip() for line in sites):
        found = sum(bool(line.strip()) for line in sites)
        raise Unusable("unreadable", f"line 7 counts {count} sites, but {found} lines of sites follow")
    _refuse_more(after, first + count + 1, count)
    scale, vectors = _scaled(lines[1], lines[2:5])
    whole = [title or "?", scale, *vectors, lines[5], lines[6], *lines[7:first], *sites]
    from pymatgen.io.vasp.inputs import Poscar  # half a second to import

    return Poscar.from_str("\n".join(whole) + "\n").structure


def _count(line: str) -> int:
    try:
        counts = [int(word) for word in line.split()]
    except ValueError:
        counts = []
    if not counts or min(counts) < 0:
        raise Unusable("unreadable", f"line 7 must count the sites of each element; it is {line.strip()!r}")
    if sum(counts) > MOST_SITES_READ:
        raise Unusable("too_many_sites", f"{sum(counts)} sites, at most {MOST_SITES_READ} are read")
    return sum(counts)


def _scaled(scale: str, vectors: list[str]) -> tuple[str, list[str]]:
    """Return one scale and three vectors; of three scales each multiplies one Cartesian component."""
    factors = _numbers(scale, 2)
    if len(factors) == 1:
        return scale, vectors
    if len(factors) != 3 or min(factors) <= 0:
        raise Unusable("unreadable", f"line 2 holds {len(factors)} scales: give one, or three above 0")
    scaled = [np.multiply(_numbers(line, number)[:3], factors) for number, line in enumerate(vectors, start=3)]
    return "1.0", [" ".join(repr(float(value)) for value in vector) for vector in scaled]


def _numbers(line: str, number: int) -> list[float]:
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        raise Unusable("unreadable", f"line {number} must hold numbers; it is {line.strip()!r}") from None


def _refuse_more(lines: list[str], number: int, count: int) -> None:
    """Raise ``Unusable`` if sites or a second structure follow the sites; velocities come after a line of their own."""
    words = lines[0].split() if lines else []
    if len(words) >= 3 and all(re.fullmatch(r"[-+.\dEeDd]+", word) for word in words[:3]):
        raise Unusable("unreadable", f"line 7 counts {count} sites, but a further one stands in line {number}")
    for place, (line, below) in enumerate(zip(lines, lines[1:], strict=False), start=number):
        symbols, counts = line.split(), below.split()
        named = symbols and all(Element.is_valid_symbol(word) for word in symbols)
        if named and len(symbols) == len(counts) and all(word.isdigit() for word in counts):
            raise Unusable("several_structures", f"a second structure begins near line {place}; split the file")
