"""The space group that a CIF names, in all its settings (spglib's list), to compare it with the operators listed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import spglib
from pymatgen.core import SymmOp

SAME_METRIC = 0.02  # of the longest squared edge: cells of one shape deviate by less
_CHOICES = {"S": "1", "Z": "2"}  # of the ICSD for the origin


@dataclass(frozen=True)
class Setting:
    """One setting of a space group: ``hall`` (1 to 530), the international ``number``, origin or axes ``choice``."""

    hall: int
    number: int
    choice: str

    @cached_property
    def operators(self) -> list[SymmOp]:
        """Its operators, translations of the centring included."""
        found = spglib.get_symmetry_from_database(self.hall)
        pairs = zip(found["rotations"], found["translations"], strict=True)
        return [SymmOp.from_rotation_and_translation(rotation, translation) for rotation, translation in pairs]

    def fits(self, metric: np.ndarray) -> bool:
        """Return whether a cell of this metric (3, 3) in Å² has the shape that the group asks for."""
        turned = [one.rotation_matrix.T @ metric @ one.rotation_matrix for one in self.operators]
        return bool(np.abs(np.array(turned) - metric).max() < SAME_METRIC * metric.max())


def settings_of(symbol: str, number: int | None) -> list[Setting]:
    """Return the settings that a Hermann-Mauguin symbol can mean; without a known symbol those of ``number``."""
    name, _, choice = symbol.partition(":")
    name, choice = _plain(name), choice.strip()
    found = _by_name().get(name, [])
    if not found and len(name) > 1 and name[-1] in "SZHR" and name[:-1] in _by_name():
        found, choice = _by_name()[name[:-1]], _CHOICES.get(name[-1], name[-1])
    if not found and number:
        found = [one for one in _all_settings() if one.number == number]
    return [one for one in found if one.choice == choice] or found


def distinct(operators: Sequence[SymmOp]) -> int:
    """Return the number of different operators, whole translations not counted."""
    turns = [np.rint(one.rotation_matrix).astype(int).ravel() for one in operators]
    steps = [np.rint(one.translation_vector * 1000).astype(int) % 1000 for one in operators]
    return len({(*turn, *step) for turn, step in zip(turns, steps, strict=True)})


def distinct_rotations(operators: Sequence[SymmOp]) -> int:
    """Return the number of different rotations of operators."""
    return len({tuple(np.rint(one.rotation_matrix).astype(int).ravel()) for one in operators})


@lru_cache(maxsize=1)
def _all_settings() -> list[Setting]:
    kinds = [spglib.get_spacegroup_type(hall) for hall in range(1, 531)]
    return [Setting(hall, kind.number, kind.choice) for hall, kind in enumerate(kinds, start=1)]


@lru_cache(maxsize=1)
def _by_name() -> dict[str, list[Setting]]:
    found: dict[str, list[Setting]] = {}
    for setting in _all_settings():
        kind = spglib.get_spacegroup_type(setting.hall)
        short = re.sub(r" 1(?= |$)", "", kind.international_full) if 3 <= kind.number <= 15 else kind.international
        for name in {_plain(name) for name in (short, kind.international_full, kind.hall_symbol)}:
            found.setdefault(name, []).append(setting)
    return found


def _plain(symbol: str) -> str:
    """Return a symbol without spaces; cubic ones as they were written before 1985 (Fm3m) with their minus."""
    plain = re.sub(r"[\s_]", "", symbol)
    return re.sub(r"^([PFI][a-z4]?[/\d]*[a-z])3(?=[a-z]?\d*$)", r"\1-3", plain) if "-3" not in plain else plain
