"""How far predictions may be off: a calibrated standard deviation for each property and kind of crystal.

The spread of several networks is not one: it is about half of the error. The width here is fitted on validation
crystals so that 90 % of their errors lie within 1.645 widths; its coverage is measured on test crystals. All widths are
in the unit that the network learns: of a logarithm they are relative errors.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from data_prep.crystal import FAMILIES
from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.files.json_files import read_json
from repro.network_folders import WIDTHS, identity_of_networks

OTHER = "other"  # every crystal of no family, and every one of a property with too few of the families
SHARE, DEVIATIONS = 0.9, 1.6449  # the share of a normal distribution within so many standard deviations
LEAST_FLOOR = 0.02  # of the mean error, before scaling: networks that agree may be wrong together
FEWEST = 40  # validation crystals that a family needs to have a width of its own
_REMEDY = "measure them with 'python -m repro calibrate'"


def interval(values: np.ndarray | float, widths: np.ndarray | float) -> tuple[np.ndarray | float, np.ndarray | float]:
    """Return the bounds of the 90 % interval of predictions with the standard deviations ``widths``."""
    return values - DEVIATIONS * widths, values + DEVIATIONS * widths


@dataclass(frozen=True)
class Width:
    """sqrt(``floor``² + (``factor`` spread)² + (``slope`` value)²) of one property, and what it was measured on.

    ``coverage`` is the share of the ``test`` crystals within the 90 % interval, ``mae`` their mean error, in the unit
    that the network learns.
    """

    floor: float
    factor: float
    slope: float
    validation: int
    test: int = 0
    coverage: float | None = None
    mae: float | None = None

    def of(self, values: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """Return the widths (n,) of predicted ``values`` (n,), given the ``spread`` (n,) of several networks."""
        return np.sqrt(self.floor**2 + (self.factor * spread) ** 2 + (self.slope * values) ** 2)


@dataclass(frozen=True)
class PropertyWidths:
    """The widths of one property by family, ``OTHER`` for the rest.

    ``unseen`` is the factor for crystals of elements, or with neighbours, that were not in the training; of the test
    crystals, ``unseen_test`` are such, and ``unseen_coverage`` of these lie within the 90 % interval.
    """

    families: dict[str, Width]
    unseen: float = 1.0
    unseen_test: int = 0
    unseen_coverage: float | None = None

    def of(
        self, values: np.ndarray, spread: np.ndarray | None, families: Sequence[str], unseen: np.ndarray
    ) -> np.ndarray:
        """Return the standard deviations (n,) of predictions, all in the unit that the network learns."""
        values, spread = np.asarray(values, dtype=float), np.zeros(len(values)) if spread is None else spread
        names = np.array([name if name in self.families else OTHER for name in families])
        widths = np.empty(len(values))
        for name in set(names.tolist()):
            chosen = names == name
            widths[chosen] = self.families[name].of(values[chosen], np.asarray(spread, dtype=float)[chosen])
        return widths * np.where(unseen, self.unseen, 1.0)


@dataclass(frozen=True)
class Predicted:
    """Predictions of n crystals whose labels are known, in the unit that the network learns.

    ``unseen`` (n,) is True for a crystal of elements, or with neighbours, that were not in the training.
    """

    values: np.ndarray
    spread: np.ndarray
    errors: np.ndarray
    families: np.ndarray
    unseen: np.ndarray

    def only(self, chosen: np.ndarray) -> "Predicted":
        """Return the crystals of a mask (n,)."""
        return Predicted(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def measure_widths(validation: Predicted, test: Predicted) -> PropertyWidths:
    """Return the widths of a property: fitted on validation crystals, their coverage counted on test crystals."""
    own = [name for name in FAMILIES if (validation.families == name).sum() >= FEWEST]
    families = {}
    for name in (*own, OTHER):
        fitted, counted = (part.only(_of_family(part, name, own)) for part in (validation, test))
        if not len(fitted.errors):  # every validation crystal is of a family: any other gets the width of them all
            fitted = validation
        families[name] = _covering(fit_width(fitted.errors, fitted.values, fitted.spread), counted)
    found = PropertyWidths(families)
    far = validation.only(validation.unseen)
    if len(far.errors) >= FEWEST:
        scores = np.abs(far.errors) / (DEVIATIONS * found.of(far.values, far.spread, far.families, far.unseen))
        found = replace(found, unseen=max(1.0, _quantile(scores)))
    far = test.only(test.unseen)
    if len(far.errors):
        widths = found.of(far.values, far.spread, far.families, far.unseen)
        inside = float((np.abs(far.errors) <= DEVIATIONS * widths).mean())
        found = replace(found, unseen_test=len(far.errors), unseen_coverage=inside)
    return found


def _of_family(part: Predicted, name: str, own: list[str]) -> np.ndarray:
    return ~np.isin(part.families, own) if name == OTHER else part.families == name


def _covering(width: Width, test: Predicted) -> Width:
    """Return the width with what was counted on test crystals."""
    if not len(test.errors):
        return width
    inside = np.abs(test.errors) <= DEVIATIONS * width.of(test.values, test.spread)
    return replace(width, test=len(inside), coverage=float(inside.mean()), mae=float(np.abs(test.errors).mean()))


def fit_width(errors: np.ndarray, values: np.ndarray, spread: np.ndarray) -> Width:
    """Return the width of ``errors`` (n,) of predicted ``values`` (n,); ``spread`` (n,) is zero for one network.

    The ratios of its terms are the most likely ones under a Laplace distribution, which large errors pull less than a
    normal one; they are then scaled until 90 % of the errors lie within the 90 % interval.
    """
    scale = max(float(np.abs(errors).mean()), 1e-12)

    def shape(logarithms: np.ndarray) -> Width:
        floor, factor, slope = np.exp(np.minimum(logarithms, 50.0))
        return Width(scale * (LEAST_FLOOR + floor), factor if spread.any() else 0.0, scale * slope, len(errors))

    def unlikelihood(logarithms: np.ndarray) -> float:
        width = shape(logarithms).of(values, spread)
        return float(np.mean(np.log(width) + np.abs(errors) / width))

    start = np.log([1.0, 1.0, 0.1])
    found = shape(minimize(unlikelihood, start, method="Nelder-Mead", options={"maxiter": 1000}).x)
    factor = _quantile(np.abs(errors) / found.of(values, spread)) / DEVIATIONS
    return Width(*(float(one * factor) for one in (found.floor, found.factor, found.slope)), validation=len(errors))


def _quantile(scores: np.ndarray) -> float:
    """Return the value that a new score is below with a probability of 90 %, as conformal prediction has it."""
    share = min(1.0, SHARE * (1 + 1 / len(scores)))
    return float(np.quantile(scores, share, method="higher"))


def load_widths(folder: Path) -> dict[str, PropertyWidths]:
    """Return the widths of the networks of ``folder`` by property, none if they were never measured.

    Raises InputError if the file is damaged or was measured on other networks.
    """
    if not (folder / WIDTHS).exists():
        return {}
    found = read_json(folder / WIDTHS, _REMEDY)
    try:
        if found["networks"] != identity_of_networks(folder):
            raise InputError(f"{folder / WIDTHS} is of other networks than {folder} has: {_REMEDY} again.")
        return {name: _from_json(one) for name, one in found["properties"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / WIDTHS} is damaged ({type(error).__name__}: {error}): {_REMEDY} again.") from error


def _from_json(found: dict) -> PropertyWidths:
    families = {name: Width(**one) for name, one in found["families"].items()}
    if OTHER not in families:
        raise KeyError(OTHER)
    return PropertyWidths(**(found | {"families": families}))


def write_widths(folder: Path, widths: dict[str, PropertyWidths], facts: dict) -> None:
    """Write the widths of the networks in ``folder`` beside them; ``facts``: which crystals they were measured on."""
    properties = {name: asdict(one) for name, one in widths.items()}
    write_json(folder / WIDTHS, {"networks": identity_of_networks(folder)} | facts | {"properties": properties})
