"""The split into a training, a validation and a test part (Methods; F10), and how a few of many are chosen."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from data_prep.crystal import Crystal
from data_prep.errors import InputError

PARTS = ("train", "validation", "test")
SplitBy = Literal["formula", "id"]


def split_crystals(
    crystals: Sequence[Crystal],
    by: SplitBy,
    test_fraction: float,
    validation_fraction: float,
    seed: int,
    per_family: bool = True,
) -> np.ndarray:
    """Return the part of each crystal, (n,) strings ``train``, ``validation`` or ``test``.

    ``by="formula"`` keeps all polymorphs of one reduced formula in one part; ``by="id"`` splits by
    structure as the release does (F10). With ``per_family`` each family is split separately, so that its
    share is the same in every part; without it all crystals are split together, for data whose families
    are mostly too small. ``validation_fraction`` is that of the crystals outside the test part. The
    split precedes augmentation. Raises InputError if a part would be empty.
    """
    rng = np.random.default_rng(seed)
    keys = np.array([crystal.formula if by == "formula" else crystal.id for crystal in crystals])
    families = np.array([crystal.family if per_family else "all" for crystal in crystals])
    parts = np.full(len(crystals), "train", dtype="<U10")
    for family in np.unique(families):
        shuffled = rng.permutation(np.unique(keys[families == family]))
        n_test = round(test_fraction * len(shuffled))
        n_validation = round(validation_fraction * (len(shuffled) - n_test))
        parts[np.isin(keys, shuffled[:n_test])] = "test"
        parts[np.isin(keys, shuffled[n_test : n_test + n_validation])] = "validation"
    for part in PARTS:
        if not (parts == part).any():
            raise InputError(f"{len(crystals)} crystals are too few to split: the {part} part would be empty.")
    return parts


def limit_crystals(crystals: Sequence[Crystal], limit: int, seed: int, per_family: bool = True) -> list[Crystal]:
    """Return about ``limit`` crystals (0: all), order kept.

    With ``per_family`` the proportions of the families are kept, with at least one crystal of each.
    """
    if not limit or limit >= len(crystals):
        return list(crystals)
    rng = np.random.default_rng(seed)
    families = np.array([crystal.family if per_family else "all" for crystal in crystals])
    chosen: list[int] = []
    for family in np.unique(families):
        members = np.flatnonzero(families == family)
        share = max(1, round(limit * len(members) / len(crystals)))
        chosen.extend(rng.permutation(members)[:share])
    return [crystals[index] for index in sorted(chosen)]


def spread_evenly(total: int, count: int) -> np.ndarray:
    """Return ``count`` places spread evenly over ``total``, the ends among them; all places if there are fewer."""
    return np.linspace(0, total - 1, min(count, total)).round().astype(int)
