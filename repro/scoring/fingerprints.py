"""The fingerprints with which CDVAE's protocol compares sets of crystals, kept in a file because they are slow.

Of structure: the mean over the sites of matminer's CrystalNN "ops" (61 values). Of composition: matminer's Magpie
ElementProperty without imputing (132 values), standardised by known compounds. CDVAE has its own numbers there, which
differ by an eighth of a deviation in the mean and by 1 % in the deviation, at the median.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.files.journal import Journal
from data_prep.workers import in_order

SCALE = Path(__file__).with_name("magpie_scale.csv")  # of 6,000 formulas of the hull that comes with the project
HEADER = {"fingerprints": 1}
STRUCTURE, COMPOSITION = 61, 132  # values
KEPT_AFTER, WORTH_SHARING = 32, 16  # crystals
REMEDY = "run 'make matminer' once"


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

    Raises InputError if matminer is missing.
    """
    require_matminer()
    journal = Journal(kept, HEADER)
    keys = [crystal.key() for crystal in crystals]
    missing = {key: crystal for key, crystal in zip(keys, crystals, strict=True) if key not in journal.items}
    waiting = []
    with tqdm(total=len(missing), desc=what, unit=" structures", disable=None) as bar:
        found = in_order(_fingerprint, list(missing.values()), worth=WORTH_SHARING)
        for key, (structure, composition) in zip(missing, found, strict=True):
            waiting.append({"key": key, "structure": structure, "composition": composition})
            bar.update()
            if len(waiting) == KEPT_AFTER:
                journal.add(waiting)
                waiting = []
    journal.add(waiting)
    rows = [journal.items[key] for key in keys]
    return Fingerprints(
        np.array([row["structure"] or [np.nan] * STRUCTURE for row in rows]).reshape(len(rows), STRUCTURE),
        np.array([row["composition"] or [np.nan] * COMPOSITION for row in rows]).reshape(len(rows), COMPOSITION),
    )


def require_matminer() -> None:
    """Raise InputError with what to do if matminer is not installed."""
    try:
        import matminer  # noqa: F401
    except ImportError as error:
        raise InputError(f"The fingerprints of coverage need matminer ({error}): {REMEDY}.") from error


def _fingerprint(crystal: Crystal) -> tuple[list[float] | None, list[float] | None]:
    """Return the two fingerprints of a crystal, None in place of both if CrystalNN fails."""
    sites, elements = _featurizers()
    structure = crystal.structure()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            each = [sites.featurize(structure, site) for site in range(len(structure))]
            composition = np.array(elements.featurize(structure.composition), dtype=float)
        except Exception:  # CDVAE: whatever fails, the crystal counts as not valid
            return None, None
    return np.mean(each, axis=0).round(6).tolist(), standardised(composition).round(6).tolist()


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
