"""Means, shares and counts with their 95 % bootstrap intervals, as every experiment stores them."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from repro.evaluation.metrics import bootstrap_interval

SEED = 0  # of every bootstrap


def interval_of(values: Sequence[float]) -> list[float] | None:
    """Return the 95 % bootstrap interval of the mean of ``values``; None for fewer than two."""
    return list(bootstrap_interval(values, SEED)) if len(values) > 1 else None


def mean_of(values: Sequence[float]) -> dict:
    """Return ``count``, ``mean`` (None without values) and its 95 % ``interval`` (None for fewer than two)."""
    values = [float(value) for value in values]
    mean = float(np.mean(values)) if values else None
    return {"count": len(values), "mean": mean, "interval": interval_of(values)}


def mean_and_median(values: Sequence[float]) -> dict:
    """Return ``mean_of`` the values with their ``median``, None without values."""
    return mean_of(values) | {"median": float(np.median(values)) if len(values) else None}


def share_of(flags: Sequence[bool]) -> dict:
    """Return how many of ``of`` are true, as ``count`` and as ``share`` of one with its 95 % ``interval``."""
    found = mean_of(flags)
    return {"count": int(sum(flags)), "of": len(flags), "share": found["mean"], "interval": found["interval"]}


def over_seeds(values: Sequence[float | None]) -> dict:
    """Return ``values``, one per seed (None: not measured), their ``mean`` and ``spread``.

    The spread is the sample standard deviation, None for fewer than two values.
    """
    found = [float(value) for value in values if value is not None]
    return {
        "mean": float(np.mean(found)) if found else None,
        "spread": float(np.std(found, ddof=1)) if len(found) > 1 else None,
        "values": list(values),
    }


def most_common(values: Iterable, top: int) -> list[tuple]:
    """Return the ``top`` most frequent values with their counts; equal counts in the order of the values."""
    return sorted(Counter(values).items(), key=lambda pair: (-pair[1], str(pair[0])))[:top]
