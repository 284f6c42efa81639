"""The compounds of the embedded data set: rules of chemistry, then a balanced seeded choice."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from pymatgen.core import Composition, Element

from data_prep.crystal import family_of

SEED = 2020
# The paper's labelled structures are AB 951, ABX3 1,305, ABX2 4,510 (F32). The quotas keep
# about these proportions, with a few more AB and ABX3 for their elements.
QUOTAS = {
    "AB halide": 36, "AB chalcogenide": 62, "AB pnictide": 60, "AB carbide": 22, "AB tetrahedral": 55,
    "AB CsCl salt": 20, "AB intermetallic": 165,
    "ABX3 oxide": 260, "ABX3 halide": 115, "ABX3 hydride": 22, "ABX3 chalcogenide": 25, "ABX3 nitride": 10,
    "ABX3 metallic antiperovskite": 80, "ABX3 pnictide antiperovskite": 30,
    "ABX3 oxide antiperovskite": 12, "ABX3 alkali antiperovskite": 15,
    "ABX2 alkali pnictide": 60, "ABX2 light metal": 180, "ABX2 post-transition": 140,
    "ABX2 rare earth": 320, "ABX2 transition metal": 1100,
}  # fmt: skip


def _symbols(text: str) -> list[str]:
    return text.split()


ALKALI = _symbols("Li Na K Rb Cs")
LANTHANIDES = _symbols("La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu")
RARE_EARTHS = ["Sc", "Y", *LANTHANIDES, "Ac"]
ACTINIDES = _symbols("Th Pa U Np Pu")
HALOGENS = _symbols("F Cl Br I")
CHALCOGENS = _symbols("O S Se Te")
PNICTOGENS = _symbols("N P As Sb Bi")
LATE = _symbols("Mn Fe Co Ni Cu Zn Tc Ru Rh Pd Ag Cd Re Os Ir Pt Au")
NOBLE = _symbols("Cu Ag Au Ni Pd Pt Co Rh Ir Fe Ru Os")

# Perovskite cations by charge: corner site, centre site.
A_SITE = {
    1: _symbols("Na K Rb Cs Ag Tl"),
    2: _symbols("Ca Sr Ba Cd Pb Eu Sm Yb Hg Sn"),
    3: _symbols("Y La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Ac Bi"),
}
B_SITE = {
    1: ["Li", "Na"],
    2: _symbols("Mg Ca Sr Mn Fe Co Ni Cu Zn Cd Hg V Cr Ge Sn Pb Eu Yb Pd Be"),
    3: _symbols("Al Ga In Tl Sc Ti V Cr Mn Fe Co Ni Rh Ir Au Y Lu Er Sb Bi"),
    4: _symbols("Ti Zr Hf V Nb Ta Cr Mo W Mn Tc Re Fe Ru Os Co Rh Ir Ni Pd Pt Si Ge Sn Pb Te Ce Pr Tb Th Pa U Np Pu"),
    5: _symbols("V Nb Ta Cr Mo W Re Ru Os Ir Sb Bi I Pa U Np Pu"),
    6: ["Mo", "W", "Re"],
}
# The centre ion of an octahedron must not be too small. The window of Goldschmidt's tolerance factor differs
# from the usual 0.8 to 1 because the radii here are those of six-fold coordination at both sites.
TOLERANCE = (0.78, 1.02)
OCTAHEDRAL = 0.40


@dataclass(frozen=True)
class Compound:
    """A compound to relax: ``species`` has one symbol per site of the prototype, in its site order."""

    id: str
    formula: str
    family: str
    prototype: str
    chemistry: str
    species: tuple[str, ...]


def enumerate_compounds(seed: int = SEED) -> list[Compound]:
    """Return the compounds to relax, in random order: every prefix is a fair sample of the families.

    The rules ``_POOLS`` list the chemically sensible compounds; ``QUOTAS`` are the numbers taken of each
    rule. Within a rule the compounds whose elements are rarest so far come first, with seeded noise, so
    that every element occurs often. The same seed gives the same list.
    """
    generator = np.random.default_rng(seed)
    counts: Counter[str] = Counter()
    taken: set[tuple] = set()
    chosen = []
    for chemistry, quota in QUOTAS.items():
        pool = _distinct(_POOLS[chemistry](), taken)
        for prototype, species in _balanced(pool, quota, counts, generator):
            taken.add(_key(prototype, species))
            formula = Composition(Counter(species)).reduced_formula
            chosen.append((formula, family_of(formula), prototype, chemistry, species))
    order = generator.permutation(len(chosen))
    return [Compound(f"emb-{number:06d}", *chosen[index]) for number, index in enumerate(order, start=1)]


def _key(prototype: str, species: tuple[str, ...]) -> tuple:
    return prototype, *sorted(Counter(species).items())


def _distinct(pool: Iterator, taken: set) -> list[tuple[str, tuple[str, ...]]]:
    """Return the pool without duplicates in any order, alloys of an element with itself, or those ``taken``."""
    seen, kept = set(taken), []
    for prototype, species in pool:
        distinct_species = 2 if len(species) == 2 else 3
        if len(set(species)) < distinct_species:
            continue
        key = _key(prototype, species)
        if key not in seen:
            seen.add(key)
            kept.append((prototype, species))
    return kept


def _balanced(pool: list, quota: int, counts: Counter, generator: np.random.Generator) -> list:
    """Take up to ``quota`` entries, each time the one whose elements are rarest so far, with some noise.

    ``counts`` is updated. The cost of an entry is the mean logarithm of one plus its elements'
    counts, plus noise that is uniform on [0, 0.5).
    """
    symbols = sorted({symbol for _, species in pool for symbol in species})
    column = {symbol: index for index, symbol in enumerate(symbols)}
    share = np.zeros((len(symbols), len(pool)))
    for row, (_, species) in enumerate(pool):
        distinct = set(species)
        share[[column[symbol] for symbol in distinct], row] = 1 / len(distinct)
    cost = generator.uniform(0, 0.5, len(pool))
    cost += np.log1p([counts[symbol] for symbol in symbols]) @ share
    taken = []
    for _ in range(min(quota, len(pool))):
        best = int(np.argmin(cost))
        cost[best] = np.inf
        taken.append(pool[best])
        for symbol in sorted(set(pool[best][1])):
            counts[symbol] += 1
            cost += np.log((1 + counts[symbol]) / counts[symbol]) * share[column[symbol]]
    return taken


def _binary(prototype: str, first: list[str], second: list[str]) -> Iterator:
    return ((prototype, pair) for pair in product(first, second))


def _halides() -> Iterator:
    yield from _binary("rocksalt", [*ALKALI, "Ag", "Tl"], ["H", *HALOGENS])


def _chalcogenides() -> Iterator:
    metals = _symbols("Mg Ca Sr Ba Ti V Mn Fe Co Ni Zn Cd Hg Ge Sn Pb")
    yield from _binary("rocksalt", [*metals, *LANTHANIDES, *ACTINIDES], CHALCOGENS)


def _pnictides() -> Iterator:
    metals = _symbols("Ti Zr Hf V Nb Ta Cr Mo W")
    yield from _binary("rocksalt", [*RARE_EARTHS, *ACTINIDES], PNICTOGENS)
    yield from _binary("rocksalt", metals, ["N", "P"])
    yield from _binary("rocksalt", ["Ge", "Sn", "Pb"], PNICTOGENS[1:])


def _carbides() -> Iterator:
    yield from _binary("rocksalt", ["Sc", "Y", *_symbols("Ti Zr Hf V Nb Ta Cr Mo W Re"), *ACTINIDES], ["C"])
    yield from _binary("rocksalt", ["Zr", "Hf", "Ta", "Pu"], ["B"])


def _tetrahedral() -> Iterator:
    yield from _binary("zincblende", _symbols("B Al Ga In Tl"), PNICTOGENS)
    yield from _binary("zincblende", _symbols("Be Mg Zn Cd Hg Mn Fe Co"), CHALCOGENS)
    yield from _binary("zincblende", ["Cu", "Ag"], HALOGENS)
    yield from _binary("zincblende", ["C", "Si", "Ge", "Sn"], ["C", "Si", "Ge", "Sn"])


def _cscl_salts() -> Iterator:
    yield from _binary("CsCl", ["Cs", "Rb", "K", "Tl"], ["H", *HALOGENS])


def _intermetallics() -> Iterator:
    givers = [*_symbols("Li Mg Ca Sr Ba Ti Zr Hf Th"), *RARE_EARTHS]
    yield from _binary("CsCl", givers, ["Mg", "Zn", "Cd", "Hg", "Al", "Ga", "In", "Tl", *NOBLE])
    yield from _binary("CsCl", ["Be"], [*NOBLE, "Ti", "V", "Mn"])
    yield from _binary("CsCl", _symbols("Ti Zr Hf V Nb Ta Mn Al Ga"), _symbols("Tc Re Ru Os Rh Ir Fe Co Ni Mn"))


def _perovskites(anions: list[str], anion_charge: int) -> Iterator:
    """Yield charge-balanced perovskites inside the tolerance window."""
    total = 3 * anion_charge
    for corner_charge, corners in A_SITE.items():
        centres = B_SITE.get(total - corner_charge, [])
        for corner, centre, anion in product(corners, centres, anions):
            radii = (_radius(corner, corner_charge), _radius(centre, total - corner_charge))
            if corner != centre and None not in radii and _fits(*radii, _radius(anion, -anion_charge)):
                yield "perovskite", (corner, centre, anion, anion, anion)


@cache
def _radius(symbol: str, charge: int) -> float | None:
    """Return the ionic radius (Å) of one charge, None if pymatgen has none."""
    radius = Element(symbol).ionic_radii.get(charge)
    return None if radius is None else float(radius)


def _fits(corner: float, centre: float, anion: float) -> bool:
    tolerance = (corner + anion) / (2**0.5 * (centre + anion))
    return TOLERANCE[0] <= tolerance <= TOLERANCE[1] and centre / anion >= OCTAHEDRAL


def _hydrides() -> Iterator:
    # pymatgen has no radius for the hydride ion; the lists follow known compounds (KMgH3, CsCaH3, BaLiH3).
    for corner, centre in product(["Na", "K", "Rb", "Cs"], _symbols("Mg Ca Zn Cd Mn Co Ni Sr Eu Yb")):
        yield "perovskite", (corner, centre, "H", "H", "H")
    for corner, centre in product(_symbols("Ca Sr Ba Eu Yb"), ["Li", "Pd", "Ni", "Co"]):
        yield "perovskite", (corner, centre, "H", "H", "H")


def _antiperovskites(corners: list[str], centres: list[str], faces: list[str]) -> Iterator:
    for corner, centre, face in product(corners, centres, faces):
        yield "perovskite", (corner, centre, face, face, face)


def _metallic_antiperovskites() -> Iterator:
    partners = _symbols("Al Ga In Tl Ge Sn Zn Cd Mg")
    yield from _antiperovskites([*LANTHANIDES, "Y", "Sc", "Th", "U"], ["B", "C"], ["Rh", "Pd"])
    yield from _antiperovskites(partners, ["C", "N"], _symbols("Ti Cr Mn Fe Co Ni"))
    yield from _antiperovskites(_symbols("Al Ga In Tl Sn Pb"), ["C", "N", "B"], RARE_EARTHS)


def _pnictide_antiperovskites() -> Iterator:
    yield from _antiperovskites(["P", "As", "Sb", "Bi"], ["N", "P", "As"], _symbols("Mg Ca Sr Ba Eu Yb"))


def _oxide_antiperovskites() -> Iterator:
    yield from _antiperovskites(["Si", "Ge", "Sn", "Pb"], ["O"], _symbols("Ca Sr Ba Eu Yb"))


def _alkali_antiperovskites() -> Iterator:
    yield from _antiperovskites(["Cl", "Br", "I"], ["O", "S", "Se"], ["Li", "Na", "K", "Ag"])


def _heuslers(x: list[str], y: list[str], z: list[str]) -> Iterator:
    for first, second, third in product(x, y, z):
        yield "L2_1", (first, first, second, third)


def _alkali_heuslers() -> Iterator:
    yield from _heuslers(ALKALI, ALKALI, ["P", "As", "Sb", "Bi"])


def _light_heuslers() -> Iterator:
    donors = [*_symbols("Na Mg Ca Sr Ba Cu Ag Au Zn Cd Pd Pt Rh Ir"), *RARE_EARTHS]
    yield from _heuslers(["Li", "Mg"], donors, _symbols("Al Ga In Tl Si Ge Sn Pb Sb Bi Hg Cd Zn"))


def _post_transition_heuslers() -> Iterator:
    donors = [*_symbols("Li Na K Rb Ca Sr Ba Th"), *RARE_EARTHS]
    yield from _heuslers(_symbols("Zn Cd Hg Al Ga In Tl Ag Au"), donors, ["Li", "Mg", *NOBLE])


def _rare_earth_heuslers() -> Iterator:
    hosts = [*RARE_EARTHS, "Ca", "Sr", "Ti", "Zr", "Hf"]
    partners = [*_symbols("Ru Rh Pd Os Ir Pt Tc Re"), "Al", "Ga", "In", "Tl", "Hg"]
    yield from _heuslers(hosts, _symbols("Be Mg Zn Cd Cu Ag Au Li"), partners)


def _transition_heuslers() -> Iterator:
    metals = [*_symbols("Li Mg Ca Ti V Cr Mn Fe Zr Nb Mo Hf Ta W"), *RARE_EARTHS, *ACTINIDES]
    yield from _heuslers(LATE, metals, _symbols("Mg Zn Cd Hg Al Ga In Tl Si Ge Sn Pb As Sb Bi"))


_POOLS = {
    "AB halide": _halides,
    "AB chalcogenide": _chalcogenides,
    "AB pnictide": _pnictides,
    "AB carbide": _carbides,
    "AB tetrahedral": _tetrahedral,
    "AB CsCl salt": _cscl_salts,
    "AB intermetallic": _intermetallics,
    "ABX3 oxide": lambda: _perovskites(["O"], 2),
    "ABX3 halide": lambda: _perovskites(HALOGENS, 1),
    "ABX3 hydride": _hydrides,
    "ABX3 chalcogenide": lambda: _perovskites(["S", "Se"], 2),
    "ABX3 nitride": lambda: _perovskites(["N"], 3),
    "ABX3 metallic antiperovskite": _metallic_antiperovskites,
    "ABX3 pnictide antiperovskite": _pnictide_antiperovskites,
    "ABX3 oxide antiperovskite": _oxide_antiperovskites,
    "ABX3 alkali antiperovskite": _alkali_antiperovskites,
    "ABX2 alkali pnictide": _alkali_heuslers,
    "ABX2 light metal": _light_heuslers,
    "ABX2 post-transition": _post_transition_heuslers,
    "ABX2 rare earth": _rare_earth_heuslers,
    "ABX2 transition metal": _transition_heuslers,
}
