"""Extended XYZ: every frame on its own, so that a damaged one costs no other."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from data_prep.quarantine import ISOTOPES, MOST_SITES_READ, Unusable
from data_prep.sources.frames import PARSER_FAULTS, Frame, read_text


def read_xyz(path: Path) -> list[Frame | Unusable]:
    """Return the frames of an extended XYZ file, with an ``Unusable`` in place of one that is not a crystal.

    A frame's name is what its second line gives as ``id``. Blank lines between frames are allowed. Raises
    ``Unusable`` if the file holds no frame.
    """
    frames = list(_frames(read_text(path).split("\n")))
    if not frames:
        raise Unusable("no_sites", "the file holds no frame")
    return frames


def _frames(lines: list[str]) -> Iterator[Frame | Unusable]:
    place = number = 0
    while place < len(lines):
        if not lines[place].strip():
            place += 1
            continue
        number += 1
        try:
            count = int(lines[place])
        except ValueError:
            said = (
                f"line {place + 1} must be the number of sites of frame {number}; it is {lines[place].strip()[:40]!r}"
            )
            yield Unusable("unreadable", f"{said}; nothing after it is read")
            return
        stop = place + 2 + max(0, count)
        left = len([line for line in lines[place + 2 : stop] if line.strip()])
        if count > left:
            fault = f"frame {number}: line {place + 1} says {count} sites, but {left} lines of sites follow"
            yield Unusable("unreadable", fault)
            return
        while stop < len(lines) and lines[stop].lstrip().startswith("VEC"):
            stop += 1
        yield _frame(lines[place:stop], count, place + 1)
        place = stop


def _frame(lines: list[str], count: int, line: int) -> Frame | Unusable:
    if count < 1:
        return Unusable("no_sites", f"line {line} says {count} sites: the cell is empty")
    if count > MOST_SITES_READ:
        return Unusable("too_many_sites", f"{count} sites, at most {MOST_SITES_READ} are read")
    import ase.io  # with pymatgen's adaptor a second to import
    from pymatgen.io.ase import AseAtomsAdaptor

    try:
        atoms = ase.io.read(StringIO("\n".join(lines) + "\n"), format="extxyz")
        if not atoms.cell.volume > 0:
            return Unusable("degenerate_cell", 'the frame has no periodic cell: give Lattice="..." in its second line')
        if not atoms.pbc.all():
            open_axes = " and ".join(axis for axis, periodic in zip("abc", atoms.pbc, strict=True) if not periodic)
            said = f"line {line + 1} says that the cell is not periodic along {open_axes} (pbc)"
            return Unusable("degenerate_cell", f"{said}: a slab or a molecule, not a crystal")
        atoms.set_constraint()
        return Frame(AseAtomsAdaptor.get_structure(atoms), name=str(atoms.info.get("id", "")))
    except PARSER_FAULTS as error:
        symbol = str(error.args[0]) if isinstance(error, KeyError) and error.args else ""
        if symbol in ISOTOPES:
            return Unusable("isotope", f"the isotope {symbol} is named")
        return Unusable(
            "unreadable", f"the frame of line {line}: {type(error).__name__}: {' '.join(str(error).split())}"
        )
