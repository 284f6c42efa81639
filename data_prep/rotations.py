"""Proper rotations of the cube, applied to maps exactly (Methods: augmentation; F9)."""

import numpy as np

# (axes, flips): transpose the spatial axes, then reverse those flagged.
Rotation = tuple[tuple[int, int, int], tuple[bool, bool, bool]]
IDENTITY: Rotation = ((0, 1, 2), (False, False, False))


def rotate(maps: np.ndarray, rotation: Rotation) -> np.ndarray:
    """Rotate ``maps`` (G, G, G, ...) about the centre of the array, without interpolation.

    Channels keep their order: the coordinate channels rotate as the density does (F9).
    """
    axes, flips = rotation
    turned = np.transpose(maps, (*axes, *range(3, maps.ndim)))
    reverse = tuple(slice(None, None, -1) if flip else slice(None) for flip in flips)
    return turned[reverse]


def compose(first: Rotation, second: Rotation) -> Rotation:
    """Return the rotation that applies ``first`` and then ``second``."""
    axes = tuple(first[0][axis] for axis in second[0])
    flips = tuple(first[1][axis] != flip for axis, flip in zip(second[0], second[1], strict=True))
    return axes, flips


def quarter_turn(axis: int) -> Rotation:
    """Return the 90 degree turn about one axis."""
    before, after = (axis + 1) % 3, (axis + 2) % 3
    axes = [0, 1, 2]
    axes[before], axes[after] = after, before
    return tuple(axes), tuple(position == before for position in range(3))


def random_rotation(rng: np.random.Generator) -> Rotation:
    """Return the product of three 90 degree turns about random axes, as the release augments (F9)."""
    rotation = IDENTITY
    for axis in rng.integers(3, size=3):
        rotation = compose(rotation, quarter_turn(int(axis)))
    return rotation
