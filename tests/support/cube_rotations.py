"""All rotations of the cube that are no reflection."""

from itertools import permutations, product

import numpy as np

from data_prep.rotations import IDENTITY, Rotation


def _determinant(rotation: Rotation) -> int:
    axes, flips = rotation
    matrix = np.eye(3)[list(axes)]
    return round(float(np.linalg.det(matrix))) * (-1) ** sum(flips)


def proper_rotations() -> list[Rotation]:
    """Return the 24 proper rotations, the identity first."""
    every = product(permutations(range(3)), product((False, True), repeat=3))
    return sorted((rotation for rotation in every if _determinant(rotation) == 1), key=lambda r: r != IDENTITY)
