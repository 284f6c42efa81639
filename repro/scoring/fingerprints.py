"""The fingerprints with which CDVAE's protocol compares sets of crystals, kept in a file because they are slow.

Of structure: the mean over the sites of matminer's CrystalNN "ops" (61 values). Of composition: matminer's Magpie
ElementProperty without imputing (132 values), standardised by known compounds. CDVAE has its own numbers there, which
differ by an eighth of a deviation in the mean and by 1 % in the deviation, at the median.
"""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pymatgen.core import Lattice, Structure
from tqdm import tqdm

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.files.journal import Journal
from data_prep.workers import in_order

SCALE = Path(__file__).with_name("magpie_scale.csv")  # of 6,000 formulas of the hull that comes with the project
STRUCTURE, COMPOSITION = 61, 132  # values
KEPT_AFTER, WORTH_SHARING = 32, 16  # crystals
REMEDY = "run 'make matminer' once"
KNOWN = Structure(Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])  # has fingerprints, if any has


@dataclass(frozen=True)
class Fingerprints:
    """Of n crystals: ``structure`` (n, 61) and ``composition`` (n, 132); NaN in every place if there is none."""

    structure: np.ndarray
    composition: np.ndarray

    @property
    def there(self) -> np.ndarray:
        """Whether each crystal has fingerprints, (n,)."""
        return np.isfinite(self.structure).all(axis=1)

    def chosen(self, which: np.ndarray) -> "Fingerprints":
        """Return those of some crystals, by places or by flags."""
        return Fingerprints(self.structure[which], self.composition[which])


def fingerprints(crystals: Sequence[Crystal], kept: Path, what: str = "fingerprints") -> Fingerprints:
    """Return the fingerprints of crystals; the journal ``kept`` holds those that were computed before.

    Prints how many have none, by reason. Raises InputError if matminer is missing or does not work, or if another
    version of it computed those that are kept.
    """
    require_matminer()
    journal = Journal(kept, _header())
    keys = [crystal.key() for crystal in crystals]
    missing = {key: crystal for key, crystal in zip(keys, crystals, strict=True) if key not in journal.items}
    waiting = []
    with tqdm(total=len(missing), desc=what, unit=" structures", disable=None) as bar:
        found = in_order(_fingerprint, list(missing.values()), worth=WORTH_SHARING)
        for key, prints in zip(missing, found, strict=True):
            waiting.append({"key": key} | prints)
            bar.update()
            if len(waiting) == KEPT_AFTER:
                journal.add(waiting)
                waiting = []
    journal.add(waiting)
    rows = [journal.items[key] for key in keys]
    for fault, count in Counter(row["fault"] for row in rows if row["fault"]).most_common():
        print(f"{what}: {count} of {len(rows)} structures have none, {fault}")
    return Fingerprints(
        np.array([row["structure"] or [np.nan] * STRUCTURE for row in rows]).reshape(len(rows), STRUCTURE),
        np.array([row["composition"] or [np.nan] * COMPOSITION for row in rows]).reshape(len(rows), COMPOSITION),
    )


def require_matminer() -> None:
    """Raise InputError with what to do if matminer is not installed, or fails on a crystal that has fingerprints."""
    try:
        import matminer  # noqa: F401

        fault = _fingerprint(crystal_from_structure(KNOWN, "CsCl"))["fault"]
    except ImportError as error:
        raise InputError(f"The fingerprints of coverage need matminer ({error}): {REMEDY}.") from error
    if fault:
        raise InputError(f"The installed matminer {version('matminer')} does not work ({fault}): {REMEDY}.")


def _header() -> dict[str, str | int]:
    return {"fingerprints": 2, "matminer": version("matminer")}


def _fingerprint(crystal: Crystal) -> dict[str, list[float] | str | None]:
    """Return ``structure`` and ``composition`` of a crystal; None in place of both, and the ``fault``, if one fails."""
    sites, elements = _featurizers()
    structure = crystal.structure()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            each = [sites.featurize(structure, site) for site in range(len(structure))]
            composition = np.array(elements.featurize(structure.composition), dtype=float)
        except MemoryError:
            raise
        except Exception as error:  # CDVAE: whatever fails, the crystal counts as not valid
            fault = f"{type(error).__name__}: {' '.join(str(error).split())}"
            return {"structure": None, "composition": None, "fault": fault}
    structure, composition = np.mean(each, axis=0), standardised(composition)
    return {"structure": structure.round(6).tolist(), "composition": composition.round(6).tolist(), "fault": None}


@cache
def _featurizers() -> tuple:
    from matminer.featurizers.composition.composite import ElementProperty
    from matminer.featurizers.site.fingerprint import CrystalNNFingerprint

    return CrystalNNFingerprint.from_preset("ops"), ElementProperty.from_preset("magpie", impute_nan=False)


def standardised(composition: np.ndarray) -> np.ndarray:
    """Return Magpie values (132,) less their means over known compounds, by their deviations; missing ones become 0."""
    mean, deviation = _scale()
    return np.nan_to_num((composition - mean) / deviation, nan=0.0)


@cache
def _scale() -> tuple[np.ndarray, np.ndarray]:
    mean, deviation = np.loadtxt(SCALE, delimiter=",", skiprows=1).T
    return mean, deviation
