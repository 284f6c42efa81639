"""The structures of a CIF's text. None is believed that disagrees with what its block says elsewhere."""

import re
import warnings
from collections.abc import Sequence
from math import gcd, isfinite

import numpy as np
from pymatgen.core import Composition, Element, Lattice, Structure, SymmOp
from pymatgen.io.cif import CifBlock, CifFile, CifParser

from data_prep.crystal import crystal_from_structure
from data_prep.quarantine import MOST_SITES_READ, Unusable, refuse_bad_geometry, refuse_species
from data_prep.sources.cif_blocks import Block, Value, cif_blocks
from data_prep.sources.cif_symmetry import Setting, distinct, distinct_rotations, settings_of
from data_prep.sources.frames import PARSER_FAULTS, Frame, unreadable

EDGES = ("_cell_length_a", "_cell_length_b", "_cell_length_c")
ANGLES = ("_cell_angle_alpha", "_cell_angle_beta", "_cell_angle_gamma")
PLACES = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
LABEL, SYMBOL, OCCUPANCY = "_atom_site_label", "_atom_site_type_symbol", "_atom_site_occupancy"
FORMULA, UNITS = "_chemical_formula_sum", "_cell_formula_units_z"
OPERATORS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
NAMES = (
    "_symmetry_space_group_name_h-m", "_space_group_name_h-m_alt", "_symmetry_space_group_name_h_m",
    "_space_group_name_h-m_full", "_space_group_name_h-m_ref",
)  # fmt: skip
HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
# Other items that the parser needs, as it spells them.
PASSED_ON = {
    tag.lower().replace(".", "_"): tag
    for tag in (
        "_symmetry_cell_setting", "_space_group_crystal_system", "_space_group_symop_magn_operation.xyz",
        "_space_group_symop_magn_centering.xyz", "_space_group_magn.name_BNS", "_space_group_magn.number_BNS",
        "_space_group_magn.transform_BNS_Pp_abc", "_atom_site_moment_label", "_atom_site_moment_crystalaxis_x",
        "_atom_site_moment_crystalaxis_y", "_atom_site_moment_crystalaxis_z", "_cell_modulation_dimension",
    )
}  # fmt: skip
# Groups of atoms that pymatgen silently reads as one atom or leaves out.
GROUPS = re.compile(r"[Ww]at|OH|O-H|NO3")
FULL = 1.01  # an occupancy up to this is rounded to 1
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


def _frame_or_fault(block: Block, named: bool) -> Frame | Unusable:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _frame(block)
    except Unusable as fault:
        return Unusable(fault.reason, f"block {block.name}: {fault.detail}") if named else fault
    except PARSER_FAULTS as error:
        return unreadable(error)


def _frame(block: Block) -> Frame:
    for tag in (*PLACES, LABEL, SYMBOL):
        if tag in block.repeated:
            raise Unusable(
                "several_structures", f"a second list of sites begins in line {block.repeated[tag]}; split it"
            )
    lattice = _lattice(block)
    sites, notes = _sites(block)
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
        None if value is None else _number(value, tag) for value, tag in zip(values, (*EDGES, *ANGLES), strict=True)
    ]
    if any(number is not None and not (isfinite(number) and number > 0) for number in numbers):
        raise Unusable("degenerate_cell", f"lengths and angles of the cell are {numbers}")
    return None if None in numbers else Lattice.from_parameters(*numbers)


def _number(value: Value, tag: str) -> float:
    """Return a value without its standard uncertainty, 5.64(2); a fraction, 1/3, is one too."""
    text = re.sub(r"\(\d*\)$", "", value.text.strip())
    try:
        numerator, slash, denominator = text.partition("/")
        return float(numerator) / float(denominator) if slash else float(text)
    except (ValueError, ZeroDivisionError):
        raise Unusable("unreadable", f"line {value.line}: {tag} is {value.text!r}, not a number") from None


def _sites(block: Block) -> tuple[dict[str, list[str]], list[str]]:
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
    hydrogens = block.column("_atom_site_attached_hydrogens") or []
    if any(_number(value, "_atom_site_attached_hydrogens") for value in hydrogens if value.text not in ("?", ".")):
        raise Unusable("unreadable", "sites have hydrogens attached that have no places of their own")
    return columns, notes


def _place(value: Value, tag: str) -> str:
    number = _number(value, tag)
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
        number = 1.0 if value.text in (".", "?") else _number(value, OCCUPANCY)
        if value.text == "?":
            notes.append(f"line {value.line}: an unknown occupancy is taken as 1")
        if not number > 0:
            raise Unusable("disordered", f"line {value.line}: a site has the occupancy {value.text}")
        if 1 < number <= FULL:
            notes.append(f"line {value.line}: the occupancy {value.text} is taken as 1")
            number = 1.0
        found.append(repr(number))
    return found, notes


def _symmetrised(block: Block, lattice: Lattice | None, sites: dict[str, list[str]]) -> tuple[Structure, list[str]]:
    """Return the structure of all sites, and notes.

    The listed operators count. Settings of the named space group are tried as well if there are none, or fewer than
    it has; then the stated formula and Z decide. Raises ``Unusable`` if they agree with none, or nothing decides.
    """
    operators = _operators(block)
    named = block.value(*NAMES) or block.value(*HALL)
    settings = settings_of(named.text if named else "", _group_number(block))
    fitting = [one for one in settings if lattice is None or one.fits(lattice.metric_tensor)]
    structure, notes = _first(block, sites, operators, settings, fitting)
    expected = _expected_sites(block)
    if expected and _as_stated(structure, block, expected):
        return structure, notes
    short = operators is None or _fewer(operators, settings, fitting)
    others = [_expanded(block, sites, one.operators) for one in fitting] if short else []
    if expected:
        for other, more in others:
            if _as_stated(other, block, expected):
                return other, [*more, f"the operators are those of {_name(named, block)}: the ones listed are not all"]
        if len(structure) in expected:
            return structure, notes  # of another composition, which is refused for that
        said = " or ".join(str(count) for count in sorted(expected))
        formula = f"{block.value(FORMULA).text}, Z = {block.value(UNITS).text}"
        raise Unusable("composition_mismatch", f"{formula} means {said} sites, the symmetry gives {len(structure)}")
    found = structure.composition.formula
    differing = [other.composition.formula for other, _ in others if other.composition.formula != found]
    if differing:
        means = "another setting of it" if operators is None else f"the operators listed ({len(operators)})"
        first, second = (found, differing[0]) if operators is None else (differing[0], found)
        raise Unusable(
            "unreadable",
            f"{_name(named, block)} gives {first} in a cell, but {means} {second}; "
            "list all operators, or state _cell_formula_units_Z",
        )
    return structure, notes


def _as_stated(structure: Structure, block: Block, expected: set[int]) -> bool:
    stated = _composition(block.value(FORMULA)).reduced_formula
    return len(structure) in expected and structure.composition.reduced_formula == stated


def _first(
    block: Block,
    sites: dict[str, list[str]],
    operators: list[SymmOp] | None,
    settings: Sequence[Setting],
    fitting: Sequence[Setting],
) -> tuple[Structure, list[str]]:
    if operators is not None or "_space_group_symop_magn_operation_xyz" in block.columns:
        return _expanded(block, sites, operators)
    if fitting:
        structure, notes = _expanded(block, sites, fitting[0].operators)
        choice = [f"of the {len(fitting)} settings of the space group the first is taken"] if len(fitting) > 1 else []
        return structure, notes + choice
    named = block.value(*NAMES) or block.value(*HALL) or block.value(*NUMBERS)
    if named is None or settings and _expected_sites(block):
        structure, notes = _expanded(block, sites, None)
        return structure, [*notes, "no symmetry is given: the sites that are listed are taken for all"]
    problem = "does not fit the cell, and no operators are listed" if settings else "is not understood"
    raise Unusable("unreadable", f"line {named.line}: the space group {named.text} {problem}")


def _name(named: Value | None, block: Block) -> str:
    return f"the space group {(named or block.value(*NUMBERS)).text}"


def _group_number(block: Block) -> int | None:
    value = block.value(*NUMBERS)
    return int(_number(value, NUMBERS[0])) if value else None


def _operators(block: Block) -> list[SymmOp] | None:
    """Return the operators that are listed; None if there are none. Raises ``Unusable`` for one that is none."""
    values = next((found for tag in OPERATORS if (found := block.column(tag))), None)
    if values is None:
        return None
    found = []
    for value in values:
        try:
            operator = SymmOp.from_xyz_str(value.text)
            sound = abs(abs(np.linalg.det(operator.rotation_matrix)) - 1) < 1e-3
        except PARSER_FAULTS:
            sound = False
        if not sound:
            raise Unusable("unreadable", f"line {value.line}: {value.text!r} is no symmetry operator")
        found.append(operator)
    return found


def _fewer(operators: Sequence[SymmOp], settings: Sequence[Setting], fitting: Sequence[Setting]) -> bool:
    """Return whether these are fewer operators than the space group has; in another basis its rotations count."""
    if fitting:
        return distinct(operators) < min(distinct(one.operators) for one in fitting)
    turns = [distinct_rotations(one.operators) for one in settings]
    return bool(turns) and distinct_rotations(operators) < min(turns)


def _expected_sites(block: Block) -> set[int]:
    """Return how many sites formula and Z mean: Z counts the formula as it stands, or (pymatgen, ASE) as reduced."""
    formula, units = block.value(FORMULA), block.value(UNITS)
    if formula is None or units is None:
        return set()
    z, atoms = _number(units, UNITS), _composition(formula)
    if not (isfinite(z) and z > 0):
        return set()
    counts = list(atoms.values())
    if any(abs(count - round(count)) > 1e-3 for count in counts):
        return set()  # disordered: no whole number of sites
    whole = [round(count) for count in counts]
    return {round(z * sum(whole)), round(z * sum(whole) / gcd(*whole))}


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


def _expanded(
    block: Block, sites: dict[str, list[str]], operators: Sequence[SymmOp] | None
) -> tuple[Structure, list[str]]:
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


def _plain_cif(block: Block, sites: dict[str, list[str]], operators: Sequence[SymmOp] | None) -> str:
    """Return a CIF of the cell, the operators and the sites alone."""
    data: dict = {tag: _text(block.value(tag)) for tag in (*EDGES, *ANGLES) if block.value(tag)}
    loops = [list(sites)]
    magnetic = False
    for tag, spelled in PASSED_ON.items():
        values = block.column(tag)
        if values is not None:
            magnetic |= "magn" in tag or "moment" in tag
            data[spelled] = [value.text for value in values] if "moment" in tag or "symop" in tag else values[0].text
    loops += [
        [tag for tag in data if isinstance(data[tag], list) and kind in tag]
        for kind in ("moment", "operation", "centering")
    ]
    if operators is not None and not magnetic:
        data[OPERATORS[0]] = [one.as_xyz_str() for one in operators]
        loops.append([OPERATORS[0]])
    return str(CifFile({"it": CifBlock(data | sites, [loop for loop in loops if loop], "it")}))


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
