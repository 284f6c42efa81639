"""The structures of a CIF's text. None is believed that disagrees with what its block says elsewhere."""

import re
import warnings
from collections.abc import Sequence
from math import gcd, isfinite

from pymatgen.core import Composition, Lattice, Structure, SymmOp
from pymatgen.io.cif import CifBlock, CifFile, CifParser

from data_prep.crystal import crystal_from_structure
from data_prep.quarantine import MOST_SITES_READ, Unusable, refuse_bad_geometry, refuse_species
from data_prep.sources.cif_blocks import Block, Value, cif_blocks
from data_prep.sources.cif_group import OPERATORS, StatedSymmetry, stated_symmetry
from data_prep.sources.cif_sites import LABEL, PLACES, SYMBOL, Sites, number_of, sites_of
from data_prep.sources.frames import PARSER_FAULTS, Frame, unreadable

EDGES = ("_cell_length_a", "_cell_length_b", "_cell_length_c")
ANGLES = ("_cell_angle_alpha", "_cell_angle_beta", "_cell_angle_gamma")
FORMULA, UNITS = "_chemical_formula_sum", "_cell_formula_units_z"
SYSTEMS = ("_space_group_crystal_system", "_symmetry_cell_setting")  # gives angles that are not listed
FEWEST_DIGITS = 3  # decimals of a coordinate: sites are merged only if it was rounded to this many or one more
MOST_COPIES = 50_000  # sites times operators


def cif_frames(text: str) -> list[Frame | Unusable]:
    """Return the structures of a CIF's text in their own cells, with the fault of each that cannot be trusted.

    Raises ``Unusable`` if it holds no list of sites.
    """
    blocks = cif_blocks(text)
    described = [block for block in blocks if PLACES[0] in block.columns or EDGES[0] in block.columns]
    if not any(PLACES[0] in block.columns for block in blocks):
        raise Unusable("unreadable", _why_no_sites(blocks))
    return [_frame_or_fault(block, len(described) > 1) for block in described]


def _why_no_sites(blocks: Sequence[Block]) -> str:
    if not blocks:
        return "the file is empty, or no CIF: there is no tag in it"
    if any("_atom_site_cartn_x" in block.columns for block in blocks):
        return "its sites have Cartesian coordinates (_atom_site_Cartn_x): give fractional ones"
    return f"there is no list of sites: no {PLACES[0]} in {len(blocks)} block{'s' * (len(blocks) > 1)}"


def _frame_or_fault(block: Block, one_of_several: bool) -> Frame | Unusable:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _frame(block)
    except Unusable as fault:
        return Unusable(fault.reason, f"block {block.name}: {fault.detail}") if one_of_several else fault
    except PARSER_FAULTS as error:
        return unreadable(error)


def _frame(block: Block) -> Frame:
    for tag in (*PLACES, LABEL, SYMBOL):
        if tag in block.repeated:
            raise Unusable(
                "several_structures", f"a second list of sites begins in line {block.repeated[tag]}; split it"
            )
    if block.value("_cell_modulation_dimension"):
        raise Unusable("unreadable", "the crystal is modulated: its sites are not those of one cell")
    lattice = _lattice(block)
    sites, notes = sites_of(block)
    structure, found = _symmetrised(block, lattice, sites)
    refuse_species(structure)
    _refuse_formula(structure, block.value(FORMULA))
    if len(structure) > MOST_SITES_READ:
        raise Unusable("too_many_sites", f"{len(structure)} sites, at most {MOST_SITES_READ} are read")
    return Frame(structure, (*notes, *found))


def _lattice(block: Block) -> Lattice | None:
    """Return the cell; None if it lacks a length or an angle, which its crystal system may give."""
    values = [block.value(tag) for tag in (*EDGES, *ANGLES)]
    numbers = [
        None if value is None else number_of(value, tag) for value, tag in zip(values, (*EDGES, *ANGLES), strict=True)
    ]
    if any(number is not None and not (isfinite(number) and number > 0) for number in numbers):
        raise Unusable("degenerate_cell", f"lengths and angles of the cell are {numbers}")
    if None in numbers and not block.value(*SYSTEMS):
        missing = [tag for tag, value in zip((*EDGES, *ANGLES), values, strict=True) if value is None]
        raise Unusable("unreadable", f"the cell lacks {', '.join(missing)}")
    return None if None in numbers else Lattice.from_parameters(*numbers)


def _symmetrised(block: Block, lattice: Lattice | None, sites: Sites) -> tuple[Structure, list[str]]:
    """Return the structure of all sites, and notes.

    The listed operators count. Settings of the named space group are tried as well if there are none, or fewer than
    it has; then the stated formula and Z decide. Raises ``Unusable`` if they agree with none, or nothing decides.
    """
    stated, expected = stated_symmetry(block, lattice), _expected_sites(block)
    first = _by_what_is_listed(block, sites, stated, bool(expected))
    if expected and _as_stated(first[0], block, expected):
        return first
    others = [_expanded(block, sites, one.operators) for one in stated.fitting] if stated.doubtful else []
    if expected:
        return _agreeing(block, expected, stated, first, others)
    _refuse_doubt(stated, first[0], [structure for structure, _ in others])
    return first


def _by_what_is_listed(
    block: Block, sites: Sites, stated: StatedSymmetry, countable: bool
) -> tuple[Structure, list[str]]:
    """Return the structure by the operators listed, else by the first setting that fits, else of the sites alone.

    The last only if no group is named, or if the sites are ``countable`` by formula and Z.
    """
    if stated.operators is not None:
        return _expanded(block, sites, stated.operators)
    if stated.fitting:
        structure, notes = _expanded(block, sites, stated.fitting[0].operators)
        several = f"of the {len(stated.fitting)} settings of the space group the first is taken"
        return structure, [*notes, several] if len(stated.fitting) > 1 else notes
    if stated.named is None or stated.settings and countable:
        structure, notes = _expanded(block, sites, None)
        return structure, [*notes, "no symmetry is given: the sites that are listed are taken for all"]
    problem = "does not fit the cell, and no operators are listed" if stated.settings else "is not understood"
    raise Unusable("unreadable", f"line {stated.named.line}: the space group {stated.named.text} {problem}")


def _agreeing(
    block: Block,
    expected: set[int],
    stated: StatedSymmetry,
    first: tuple[Structure, list[str]],
    others: Sequence[tuple[Structure, list[str]]],
) -> tuple[Structure, list[str]]:
    """Return the structure of another setting that agrees with formula and Z; raises ``Unusable`` if none does."""
    for structure, notes in others:
        if _as_stated(structure, block, expected):
            why = "the ones listed are not all" if stated.operators else "by formula and Z"
            return structure, [*notes, f"the operators are those of the space group {stated.named.text}: {why}"]
    if len(first[0]) in expected:
        return first  # of another composition, which is refused for that
    said = " or ".join(str(count) for count in sorted(expected))
    formula = f"{block.value(FORMULA).text}, Z = {block.value(UNITS).text}"
    raise Unusable("composition_mismatch", f"{formula} means {said} sites, the symmetry gives {len(first[0])}")


def _refuse_doubt(stated: StatedSymmetry, structure: Structure, others: Sequence[Structure]) -> None:
    """Raise ``Unusable`` if settings of the named group give other contents of the cell than what is listed."""
    found = structure.composition.formula
    other = next((one.composition.formula for one in others if one.composition.formula != found), None)
    if other is None:
        return
    group, remedy = f"the space group {stated.named.text}", "list all operators, or state _cell_formula_units_Z"
    if stated.operators is None:
        raise Unusable("unreadable", f"{group} gives {found} in a cell, but another setting of it {other}; {remedy}")
    listed = f"the operators listed ({len(stated.operators)})"
    raise Unusable("unreadable", f"{group} gives {other} in a cell, but {listed} {found}; {remedy}")


def _as_stated(structure: Structure, block: Block, expected: set[int]) -> bool:
    formula = _composition(block.value(FORMULA)).reduced_formula
    return len(structure) in expected and structure.composition.reduced_formula == formula


def _expected_sites(block: Block) -> set[int]:
    """Return how many sites formula and Z mean: Z counts the formula as it stands, or (pymatgen, ASE) as reduced."""
    formula, units = block.value(FORMULA), block.value(UNITS)
    if formula is None or units is None:
        return set()
    z, atoms = number_of(units, UNITS), _composition(formula)
    if not (isfinite(z) and z > 0):
        return set()
    counts = list(atoms.values())
    if any(abs(count - round(count)) > 1e-3 for count in counts):
        return set()  # disordered: no whole number of sites
    whole = [round(count) for count in counts]
    _, factor = atoms.get_reduced_formula_and_factor()  # of oxygen O2 is the unit
    return {round(z * sum(whole) / unit) for unit in (1, gcd(*whole), factor)}


def _composition(formula: Value) -> Composition:
    try:
        return Composition(formula.text)
    except (ValueError, TypeError, KeyError) as error:
        raise Unusable("unreadable", f"line {formula.line}: {FORMULA} {formula.text}: {error}") from error


def _refuse_formula(structure: Structure, stated: Value | None) -> None:
    if stated is None:
        return
    if _composition(stated).reduced_formula != structure.composition.reduced_formula:
        found = structure.composition.formula
        raise Unusable("composition_mismatch", f"the formula says {stated.text}, the sites say {found}")


def _expanded(block: Block, sites: Sites, operators: Sequence[SymmOp] | None) -> tuple[Structure, list[str]]:
    """Return pymatgen's structure; copies of one site that rounding keeps apart are merged, with a note."""
    copies = len(sites[LABEL]) * len(operators or [None])
    if copies > MOST_COPIES:
        raise Unusable("too_many_sites", f"{copies} sites and their images, at most {MOST_SITES_READ} sites are read")
    text = _plain_cif(block, sites, operators)
    structure = _parsed(text)
    digits = max(len(place.partition("(")[0].partition(".")[2]) for tag in PLACES for place in sites[tag])
    apart = _overlap(structure)
    if apart is None or not FEWEST_DIGITS <= digits <= FEWEST_DIGITS + 1:
        return structure, []
    step = 10.0**-digits
    merged = _parsed(text, site_tolerance=4 * step, frac_tolerance=1.1 * step)
    if _overlap(merged) is not None:
        return structure, []
    return merged, [f"coordinates are rounded to {digits} digits: {len(structure)} sites are merged to {len(merged)}"]


def _overlap(structure: Structure) -> str | None:
    """Return what is wrong if two sites of an ordered structure overlap."""
    if not structure.is_ordered or len(structure) > MOST_SITES_READ:
        return None
    try:
        refuse_bad_geometry(crystal_from_structure(structure, ""))
    except Unusable as fault:
        return fault.detail if fault.reason == "overlapping_sites" else None
    return None


def _plain_cif(block: Block, sites: Sites, operators: Sequence[SymmOp] | None) -> str:
    """Return a CIF of the cell, the operators and the sites alone."""
    data: dict = {tag: _text(block.value(tag)) for tag in (*EDGES, *ANGLES) if block.value(tag)}
    data |= {tag: block.value(tag).text for tag in SYSTEMS if block.value(tag)}
    data[OPERATORS[0]] = [one.as_xyz_str() for one in operators or [SymmOp.from_xyz_str("x,y,z")]]
    loops = [[OPERATORS[0]], list(sites)]
    return str(CifFile({"it": CifBlock(data | sites, loops, "it")}))


def _text(value: Value) -> str:
    return re.sub(r"\(\d*\)$", "", value.text)


def _parsed(text: str, **tolerances: float) -> Structure:
    parser = CifParser.from_str(text, check_cif=False, **tolerances)
    try:
        return parser.parse_structures(primitive=False, on_error="ignore")[0]
    except ValueError as error:  # its text is only that there is no structure
        reasons = [text for text in parser.warnings if "section" in text] or parser.warnings or [str(error)]
        raise Unusable(
            "unreadable", " ".join(" ".join(reasons).split()).removeprefix("No structure parsed for section 1 in CIF. ")
        ) from error
