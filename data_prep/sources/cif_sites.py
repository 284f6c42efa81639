"""The list of sites of a CIF's block: every one is read, or the block refused with the line of the fault."""

import re
from math import isfinite

from pymatgen.core import Element

from data_prep.quarantine import MOST_SITES_READ, Unusable
from data_prep.sources.cif_blocks import Block, Value

PLACES = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
LABEL, SYMBOL, OCCUPANCY = "_atom_site_label", "_atom_site_type_symbol", "_atom_site_occupancy"
# Groups of atoms that pymatgen silently reads as one atom or leaves out.
GROUPS = re.compile(r"[Ww]at|OH|O-H|NO3")
FULL = 1.01  # an occupancy up to this is rounded to 1
HYDROGENS = "_atom_site_attached_hydrogens"

Sites = dict[str, list[str]]  # columns by tag


def number_of(value: Value, tag: str) -> float:
    """Return a value without its standard uncertainty, 5.64(2); a fraction, 1/3, is one too."""
    text = re.sub(r"\(\d*\)$", "", value.text.strip())
    try:
        numerator, slash, denominator = text.partition("/")
        return float(numerator) / float(denominator) if slash else float(text)
    except (ValueError, ZeroDivisionError):
        raise Unusable("unreadable", f"line {value.line}: {tag} is {value.text!r}, not a number") from None


def sites_of(block: Block) -> tuple[Sites, list[str]]:
    """Return the columns of the list of sites, and what had to be assumed about occupancies."""
    labels = block.column(LABEL) or block.column(SYMBOL)
    if labels is None:
        raise Unusable("unreadable", f"the sites have no {LABEL} and no {SYMBOL}")
    if len(labels) > MOST_SITES_READ:
        raise Unusable("too_many_sites", f"{len(labels)} sites are listed, at most {MOST_SITES_READ} are read")
    symbols = block.column(SYMBOL) or labels
    for symbol in symbols:
        _refuse_symbol(symbol)
    columns = {LABEL: [value.text for value in labels], SYMBOL: [value.text for value in symbols]}
    for tag in PLACES:
        values = block.column(tag)
        if values is None or len(values) != len(labels):
            raise Unusable(
                "unreadable", f"{tag} has {len(values or [])} values for {len(labels)} sites; is it complete?"
            )
        columns[tag] = [_place(value, tag) for value in values]
    columns[OCCUPANCY], notes = _occupancies(block, len(labels))
    hydrogens = block.column(HYDROGENS) or []
    if any(number_of(value, HYDROGENS) for value in hydrogens if value.text not in ("?", ".")):
        raise Unusable("unreadable", "sites have hydrogens attached that have no places of their own")
    return columns, notes


def _place(value: Value, tag: str) -> str:
    number = number_of(value, tag)
    if not isfinite(number):
        raise Unusable("unreadable", f"line {value.line}: {tag} is {value.text}")
    return repr(number) if "/" in value.text else value.text


def _refuse_symbol(value: Value) -> None:
    """Raise ``Unusable`` for a site that pymatgen would leave out or read as something else."""
    letters = re.match(r"[A-Za-z]*", value.text).group()
    known = any(Element.is_valid_symbol(letters[:length].title()) for length in (1, 2) if letters)
    if not known or GROUPS.match(value.text):
        raise Unusable(
            "unknown_element", f"line {value.line}: a site is called {value.text!r}, which is not an element"
        )


def _occupancies(block: Block, count: int) -> tuple[list[str], list[str]]:
    values = block.column(OCCUPANCY)
    if values is None:  # the default of the dictionary
        return ["1"] * count, []
    found, notes = [], []
    for value in values:
        number = 1.0 if value.text in (".", "?") else number_of(value, OCCUPANCY)
        if value.text == "?":
            notes.append(f"line {value.line}: an unknown occupancy is taken as 1")
        if not number > 0:
            raise Unusable("disordered", f"line {value.line}: a site has the occupancy {value.text}")
        if 1 < number <= FULL:
            notes.append(f"line {value.line}: the occupancy {value.text} is taken as 1")
            number = 1.0
        found.append(repr(number))
    return found, notes
