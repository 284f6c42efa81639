"""Small crystals made up for tests."""

import numpy as np

from data_prep.crystal import Crystal


def made_up_crystals(count: int, seed: int = 0) -> list[Crystal]:
    """Return ``count`` AB, ABX3 and ABX2 crystals of distinct formulas, with made-up formation energies."""
    rng = np.random.default_rng(seed)
    crystals = []
    formulas = set()
    while len(crystals) < count:
        crystal = (_binary, _perovskite, _heusler)[len(crystals) % 3](rng, f"made-{len(crystals):03d}")
        if crystal.formula not in formulas:
            formulas.add(crystal.formula)
            crystals.append(crystal)
    return crystals


def _elements(rng: np.random.Generator, n: int) -> list[int]:
    return [
        int(z) for z in rng.choice([3, 11, 12, 13, 20, 22, 26, 28, 29, 30, 31, 38, 40, 47, 55, 56], n, replace=False)
    ]


def _crystal(id: str, numbers: list[int], sites: list[list[float]], a: float, angle: float, energy: float) -> Crystal:
    from pymatgen.core import Composition, Element

    symbols = [Element.from_Z(z).symbol for z in numbers]
    formula = Composition({symbol: symbols.count(symbol) for symbol in symbols}).reduced_formula
    return Crystal(id, formula, np.full(3, a), np.full(3, angle), np.array(numbers), np.array(sites, float), energy)


def _binary(rng: np.random.Generator, id: str) -> Crystal:
    numbers = [*_elements(rng, 1), int(rng.choice([8, 9, 16, 17]))]
    return _crystal(id, numbers, [[0, 0, 0], [0.5, 0.5, 0.5]], rng.uniform(3, 4.5), 90.0, rng.uniform(-3, 0))


def _perovskite(rng: np.random.Generator, id: str) -> Crystal:
    numbers = [*_elements(rng, 2), 8, 8, 8]
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return _crystal(id, numbers, sites, rng.uniform(3.8, 4.4), 90.0, rng.uniform(-3, 0))


def _heusler(rng: np.random.Generator, id: str) -> Crystal:
    x, y, z = _elements(rng, 3)
    sites = [[0.25] * 3, [0.75] * 3, [0.5] * 3, [0.0] * 3]
    return _crystal(id, [x, x, y, z], sites, rng.uniform(4, 4.8), 60.0, rng.uniform(-1, 0.3))
