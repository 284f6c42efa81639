"""POSCARs as VASP takes them: comments, a scale, a volume or three scales, velocities after the sites."""

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
    vectors, scale = lines[2:5], lines[1]
    if factors := _factors(scale, vectors):
        scale, vectors = "1.0", _scaled(vectors, factors, 3)
        if lines[first - 1].strip()[:1].lower() in ("c", "k"):  # Cartesian
            sites = _scaled(sites, factors, first + 1)
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


def _factors(scale: str, vectors: list[str]) -> list[float]:
    """Return what VASP multiplies each Cartesian component with; nothing for a single scale, which pymatgen knows.

    A number below 0 is the volume of the cell (Å³); with it pymatgen misplaces Cartesian sites.
    """
    factors = _numbers(scale.split(), 2)
    if len(factors) == 1 and factors[0] >= 0:
        return []
    if len(factors) == 1:
        volume = abs(np.linalg.det([_vector(line, number) for number, line in enumerate(vectors, start=3)]))
        if not volume > 0:
            raise Unusable("degenerate_cell", "the vectors of lines 3 to 5 span no volume")
        return [(-factors[0] / volume) ** (1 / 3)] * 3
    if len(factors) != 3 or min(factors) <= 0:
        raise Unusable("unreadable", f"line 2 holds {len(factors)} scales: give one, or three above 0")
    return factors


def _scaled(lines: list[str], factors: list[float], first: int) -> list[str]:
    """Return lines that begin with a vector, the first of them in line ``first``, with its components multiplied."""
    vectors = [np.multiply(_vector(line, number), factors) for number, line in enumerate(lines, start=first)]
    return [
        " ".join([*(repr(float(value)) for value in vector), *line.split()[3:]])
        for vector, line in zip(vectors, lines, strict=True)
    ]


def _vector(line: str, number: int) -> list[float]:
    vector = _numbers(line.split()[:3], number)
    if len(vector) < 3:
        raise Unusable("unreadable", f"line {number} must hold three numbers; it is {line.strip()!r}")
    return vector


def _numbers(words: list[str], number: int) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError:
        raise Unusable("unreadable", f"line {number} must hold numbers; it is {' '.join(words)!r}") from None


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
