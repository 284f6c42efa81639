"""Crystal structures of the elements, the references of formation energies.

Lattice constants (Å) and free coordinates are experimental, rounded, from Kittel, Introduction to
Solid State Physics, table 3 of chapter 1, and Donohue, The Structures of the Elements; they are
only the start of a relaxation.
"""

from pymatgen.core import Lattice, Structure

_FCC = {
    "Al": 4.05, "Ca": 5.58, "Sr": 6.08, "Ni": 3.52, "Cu": 3.61, "Rh": 3.80, "Pd": 3.89, "Ag": 4.09,
    "Ir": 3.84, "Pt": 3.92, "Au": 4.08, "Pb": 4.95, "Yb": 5.48, "Ce": 4.85, "Ac": 5.67, "Th": 5.08,
}  # fmt: skip
_BCC = {
    "Li": 3.49, "Na": 4.22, "K": 5.23, "Rb": 5.59, "Cs": 6.05, "Ba": 5.02, "V": 3.03, "Cr": 2.88,
    "Fe": 2.87, "Nb": 3.30, "Mo": 3.15, "Ta": 3.30, "W": 3.16, "Eu": 4.58,
}  # fmt: skip
_DIAMOND = {"Si": 5.43, "Ge": 5.66, "Sn": 6.49}
_HCP = {
    "Be": (2.29, 3.58), "Mg": (3.21, 5.21), "Sc": (3.31, 5.27), "Ti": (2.95, 4.68), "Co": (2.51, 4.07),
    "Zn": (2.66, 4.95), "Y": (3.65, 5.73), "Zr": (3.23, 5.15), "Tc": (2.74, 4.40), "Ru": (2.71, 4.28),
    "Cd": (2.98, 5.62), "Hf": (3.19, 5.05), "Re": (2.76, 4.46), "Os": (2.73, 4.32), "Tl": (3.46, 5.52),
    "Gd": (3.63, 5.78), "Tb": (3.60, 5.70), "Dy": (3.59, 5.65), "Ho": (3.58, 5.62), "Er": (3.56, 5.59),
    "Tm": (3.54, 5.56), "Lu": (3.50, 5.55),
}  # fmt: skip
_DOUBLE_HCP = {"La": (3.77, 12.14), "Pr": (3.67, 11.83), "Nd": (3.66, 11.80), "Pm": (3.65, 11.65)}
_ARSENIC = {"As": (3.76, 10.55, 0.227), "Sb": (4.31, 11.27, 0.2335), "Bi": (4.55, 11.86, 0.2339)}
_SELENIUM = {"Se": (4.37, 4.95, 0.2254), "Te": (4.46, 5.93, 0.2633)}
_BODY_CENTRED_TETRAGONAL = {"In": (3.25, 4.95), "Pa": (3.93, 3.24)}
# Space group 64, one site (0, y, z): black phosphorus, gallium, bromine and iodine.
_ORTHORHOMBIC = {
    "P": (3.3136, 10.478, 4.3763, 0.1017, 0.0806),
    "Ga": (4.519, 7.659, 4.526, 0.1549, 0.0810),
    "Br": (6.67, 4.48, 8.72, 0.135, 0.110),
    "I": (7.136, 4.686, 9.784, 0.1543, 0.1174),
}
# Space group, lattice and sites of the structures that only one element has.
_SINGLE = {
    "B": (166, Lattice.hexagonal(4.908, 12.567), ((0.1177, -0.1177, 0.8927), (0.1961, -0.1961, 0.0245))),
    "C": (194, Lattice.hexagonal(2.46, 6.70), ((0, 0, 0.25), (1 / 3, 2 / 3, 0.25))),
    "S": (
        "Fddd:2",  # number 70 alone means origin choice 1
        Lattice.orthorhombic(10.4646, 12.8660, 24.4860),
        (
            (0.8554, 0.9526, 0.9516), (0.7844, 0.0301, 0.0763),
            (0.7069, 0.9795, 0.0040), (0.7862, 0.9073, 0.1290),
        ),
    ),
    "Mn": (
        217,
        Lattice.cubic(8.911),
        ((0, 0, 0), (0.316, 0.316, 0.316), (0.356, 0.356, 0.034), (0.089, 0.089, 0.282)),
    ),
    "Hg": (166, Lattice.hexagonal(3.470, 6.706), ((0, 0, 0),)),
    "Sm": (166, Lattice.hexagonal(3.62, 26.25), ((0, 0, 0), (0, 0, 0.2222))),
    "U": (63, Lattice.orthorhombic(2.854, 5.870, 4.955), ((0, 0.1025, 0.25),)),
    "Np": (62, Lattice.orthorhombic(6.663, 4.723, 4.887), ((0.036, 0.25, 0.208), (0.319, 0.25, 0.842))),
    "Pu": (
        11,
        Lattice.monoclinic(6.183, 4.822, 10.963, 101.79),
        (
            (0.345, 0.25, 0.162), (0.767, 0.25, 0.168), (0.128, 0.25, 0.340), (0.657, 0.25, 0.457),
            (0.025, 0.25, 0.618), (0.473, 0.25, 0.653), (0.328, 0.25, 0.926), (0.869, 0.25, 0.894),
        ),
    ),
}  # fmt: skip
# Bond lengths (Å) of the elements whose standard state is a gas: one molecule in a box.
_MOLECULES = {"H": 0.74, "N": 1.10, "O": 1.21, "F": 1.42, "Cl": 1.99}
_BOX = Lattice.orthorhombic(10.0, 10.5, 11.0)


def elemental_structure(symbol: str) -> Structure:
    """Return the primitive cell of an element's ground-state structure, or a gas's molecule in a box.

    Raises ``KeyError`` for an element without an entry.
    """
    if symbol in _MOLECULES:
        ends = [[0, 0, 0], [_MOLECULES[symbol], 0, 0]]
        return Structure(_BOX, [symbol] * 2, ends, coords_are_cartesian=True)
    spacegroup, lattice, sites = _spacegroup_lattice_sites(symbol)
    structure = Structure.from_spacegroup(spacegroup, lattice, [symbol] * len(sites), sites)
    return structure.get_primitive_structure()


def is_molecule(symbol: str) -> bool:
    """Return whether the element's structure is a molecule in a box, whose cell must not be relaxed."""
    return symbol in _MOLECULES


def _spacegroup_lattice_sites(symbol: str) -> tuple[int | str, Lattice, tuple]:
    origin = (0.0, 0.0, 0.0)
    hexagonal_site = (1 / 3, 2 / 3, 0.25)
    for table, spacegroup in ((_FCC, 225), (_BCC, 229), (_DIAMOND, 227)):
        if symbol in table:
            return spacegroup, Lattice.cubic(table[symbol]), (origin,)
    if symbol in _HCP:
        return 194, Lattice.hexagonal(*_HCP[symbol]), (hexagonal_site,)
    if symbol in _DOUBLE_HCP:
        return 194, Lattice.hexagonal(*_DOUBLE_HCP[symbol]), (origin, hexagonal_site)
    if symbol in _ARSENIC:
        a, c, z = _ARSENIC[symbol]
        return 166, Lattice.hexagonal(a, c), ((0, 0, z),)
    if symbol in _SELENIUM:
        a, c, x = _SELENIUM[symbol]
        return 152, Lattice.hexagonal(a, c), ((x, 0, 1 / 3),)
    if symbol in _BODY_CENTRED_TETRAGONAL:
        return 139, Lattice.tetragonal(*_BODY_CENTRED_TETRAGONAL[symbol]), (origin,)
    if symbol in _ORTHORHOMBIC:
        a, b, c, y, z = _ORTHORHOMBIC[symbol]
        return 64, Lattice.orthorhombic(a, b, c), ((0, y, z),)
    return _SINGLE[symbol]
