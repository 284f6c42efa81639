"""Structure types written out site by site: pymatgen takes half a second to build a space group."""

from pymatgen.core import Lattice, Structure

FACE_CENTRED = ((0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0))


def face_centred(a: float, **sites: tuple[float, float, float]) -> Structure:
    """Return the cubic cell of length `a`, Å, with each element at its coordinates and at those moved to the faces."""
    species = [symbol for symbol in sites for _ in FACE_CENTRED]
    coordinates = [[x + y for x, y in zip(at, face, strict=True)] for at in sites.values() for face in FACE_CENTRED]
    return Structure(Lattice.cubic(a), species, coordinates, to_unit_cell=True)


def rock_salt(cation: str, anion: str, a: float) -> Structure:
    return face_centred(a, **{cation: (0, 0, 0), anion: (0.5, 0.5, 0.5)})


def perovskite(a_site: str, b_site: str, anion: str, a: float) -> Structure:
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Structure(Lattice.cubic(a), [a_site, b_site, anion, anion, anion], sites)
