"""Convolutions of 3 x 3 x 3 in NumPy, one map at a time.

A map of edge n with C channels is padded with zeros to (n + 2, n + 2, n + 2, C); O output channels.
"""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Activation = Callable[[np.ndarray], np.ndarray]
AT_ONCE = 1 << 18  # numbers of the neighbourhoods that are laid side by side at once: they stay in the cache
# Which of the three taps fall on the first and the second voxel of a pair before enlargement: for the enlarged voxel
# that the pair's first voxel ends with, and for the one that its second voxel begins with.
TAPS_OF_PAIR = np.array([[[1, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 1]]], dtype=np.float32)
# Which of the three taps lie within the map at its first voxel, at any between, and at its last.
TAPS_WITHIN = np.array([[0, 1, 1], [1, 1, 1], [1, 1, 0]], dtype=np.float32)


def padded(x: np.ndarray) -> np.ndarray:
    """Return a map (n, n, n, C) with zeros around it."""
    return np.pad(x, ((1, 1), (1, 1), (1, 1), (0, 0)))


def neighbourhoods(x: np.ndarray, edge: int) -> np.ndarray:
    """Return the cubes of ``edge`` voxels of x (.., C) as rows, (cubes, edge^3 C)."""
    windows = sliding_window_view(x, (edge, edge, edge), axis=(0, 1, 2))
    return windows.transpose(0, 1, 2, 4, 5, 6, 3).reshape(-1, edge**3 * x.shape[-1])


def convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return (n, n, n, O) of a padded map and a ``kernel`` (3, 3, 3, C, O)."""
    n, rows = len(x) - 2, kernel.reshape(-1, kernel.shape[-1])
    planes = max(1, AT_ONCE // (n * n * len(rows)))
    parts = [neighbourhoods(x[start : start + planes + 2], 3) @ rows for start in range(0, n, planes)]
    return np.concatenate(parts).reshape(n, n, n, -1)


def convolve_to_few(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return what ``convolve`` does, faster if there are few output channels: a product per tap, then shifted sums."""
    edge, (*_, channels, outputs) = len(x), kernel.shape
    n, taps = edge - 2, kernel.reshape(27, channels, outputs)
    products = taps.transpose(2, 0, 1).reshape(-1, channels) @ x.reshape(-1, channels).T
    products = products.reshape(outputs, 27, -1)
    length = (n - 1) * edge * (edge + 1) + n  # from the first voxel to the last one
    sums = np.zeros((outputs, n * edge * edge), dtype=np.float32)
    for tap in range(27):
        start = (tap // 9 * edge + tap // 3 % 3) * edge + tap % 3
        sums[:, :length] += products[:, tap, start : start + length]
    return np.moveaxis(sums.reshape(outputs, n, edge, edge)[:, :, :n, :n], 0, -1)


def enlarging_kernel(kernel: np.ndarray) -> np.ndarray:
    """Return (8 C, 8 O), what a kernel (3, 3, 3, C, O) does to a map that is enlarged twofold before it."""
    t = TAPS_OF_PAIR
    folded = np.einsum("aix,bjy,ckz,xyzmn->ijkmabcn", t, t, t, kernel)  # pair, C, voxel of the enlarged map, O
    return np.ascontiguousarray(folded.reshape(8 * kernel.shape[-2], -1), dtype=np.float32)


def enlarge_and_convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, activation: Activation) -> np.ndarray:
    """Return the padded map of edge 2n of a padded one of edge n, enlarged, convolved, and through ``activation``.

    ``kernel`` is what ``enlarging_kernel`` returns. Each pair of voxels along an axis gives two of the enlarged
    map: a third of the arithmetic of the convolution after the enlargement.
    """
    n, outputs = len(x) - 2, len(bias)
    pairs = activation(neighbourhoods(x, 2) @ kernel + np.tile(bias, 8)).reshape(*[n + 1] * 3, 2, 2, 2, outputs)
    enlarged = pairs.transpose(0, 3, 1, 4, 2, 5, 6).reshape(*[2 * n + 2] * 3, outputs)
    for axis in range(3):
        edges = np.moveaxis(enlarged, axis, 0)
        edges[0] = edges[-1] = 0
    return enlarged


def convolve_constant(values: np.ndarray, kernel: np.ndarray, n: int) -> np.ndarray:
    """Return (n, n, n, O) of a map that has the same ``values`` (C,) in every voxel, and zeros around it."""
    of_taps = np.einsum("xyzmn,m->xyzn", kernel, values)
    w = TAPS_WITHIN
    places = np.minimum(np.arange(n), 1) + (np.arange(n) == n - 1)  # first, between, last
    by_place = np.einsum("ax,by,cz,xyzn->abcn", w, w, w, of_taps)
    return by_place[np.ix_(places, places, places)]


def halved(x: np.ndarray) -> np.ndarray:
    """Return the largest numbers (n / 2, n / 2, n / 2, C) of each cube of two voxels of a map (n, n, n, C)."""
    n = len(x) // 2 * 2
    x = x[:n, :n, :n]
    x = np.maximum(x[::2], x[1::2])
    x = np.maximum(x[:, ::2], x[:, 1::2])
    return np.maximum(x[:, :, ::2], x[:, :, 1::2])
