"""How far a predicted formation energy may be off: a calibrated standard deviation per family.

The spread of several networks is not one: it is about half of the error. The width here is fitted on validation
crystals so that 90 % of their errors lie within 1.645 widths, and its coverage is measured on the test part.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from data_prep.crystal import FAMILIES, Crystal, family_of
from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.files.json_files import read_json
from data_prep.property_labels import FORMATION_ENERGY
from data_prep.quarantine import screen
from repro.network_folders import identity_of_networks, read_manifest
from repro.properties.network_folder import load_property_networks
from repro.properties.property_data import PropertyData, load_property_crystals, load_property_data
from repro.run import Run

WIDTHS = "energy_widths.json"  # beside the manifest of the networks
OTHER = "other"  # every crystal of no family
SHARE, DEVIATIONS = 0.9, 1.6449  # the share of a normal distribution within so many standard deviations
LEAST_FLOOR = 0.02  # eV/atom, before scaling: networks that agree may be wrong together
_REMEDY = "measure them with 'python -m repro calibrate'"


@dataclass(frozen=True)
class FamilyWidth:
    """The width of one family: sqrt(``floor``² + (``factor`` spread)²), eV/atom, and what it was measured on.

    ``coverage`` is the share of the test crystals within the 90 % interval, ``mae`` (eV/atom) their mean error.
    """

    floor: float
    factor: float
    validation: int
    test: int
    coverage: float
    mae: float

    def of(self, spread: np.ndarray) -> np.ndarray:
        """Return the widths (n,) in eV/atom of predictions with these spreads (n,)."""
        return np.hypot(self.floor, self.factor * spread)


@dataclass(frozen=True)
class EnergyWidths:
    """The width of the predicted formation energies of each family's cubic crystals, and of all other crystals."""

    families: dict[str, FamilyWidth]

    def of(self, formulas: Sequence[str], spread: np.ndarray | None) -> np.ndarray:
        """Return the standard deviations (n,) in eV/atom of predictions; ``spread`` (n,) is of several networks."""
        spreads = np.zeros(len(formulas)) if spread is None else np.asarray(spread, dtype=float)
        names = [name if name in self.families else OTHER for name in map(family_of, formulas)]
        return np.array([self.families[name].of(one) for name, one in zip(names, spreads, strict=True)])


def load_widths(folder: Path) -> EnergyWidths | None:
    """Return the widths of the networks of ``folder``, None if they were never measured.

    Raises InputError if the file is damaged or was measured on other networks.
    """
    if not (folder / WIDTHS).exists():
        return None
    found = read_json(folder / WIDTHS, _REMEDY)
    try:
        if found["networks"] != identity_of_networks(folder):
            raise InputError(f"{folder / WIDTHS} is of other networks than {folder} has: {_REMEDY} again.")
        return EnergyWidths({name: FamilyWidth(**one) for name, one in found["families"].items()})
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / WIDTHS} is damaged ({type(error).__name__}: {error}): {_REMEDY} again.") from error


def fit_width(errors: np.ndarray, spread: np.ndarray) -> tuple[float, float]:
    """Return floor (eV/atom) and factor of the width of ``errors`` (n,), given the networks' ``spread`` (n,), or zeros.

    Their ratio is the most likely one under a Laplace distribution, which large errors pull less than a normal one;
    both are then scaled until 90 % of the errors lie within the 90 % interval.
    """

    def shape(logarithms: np.ndarray) -> tuple[float, float]:
        floor, factor = np.exp(logarithms)
        return LEAST_FLOOR + floor, factor if spread.any() else 0.0

    def unlikelihood(logarithms: np.ndarray) -> float:
        floor, factor = shape(logarithms)
        width = np.hypot(floor, factor * spread)
        return float(np.mean(np.log(width) + np.abs(errors) / width))

    start = np.log([np.abs(errors).mean(), 1.0])
    floor, factor = shape(minimize(unlikelihood, start, method="Nelder-Mead").x)
    scale = np.quantile(np.abs(errors) / np.hypot(floor, factor * spread), SHARE) / DEVIATIONS
    return float(floor * scale), float(factor * scale)


def calibrate(run: Run, weights: Path) -> None:
    """Measure the widths of the networks in ``weights`` on the run's validation part, and write them beside these.

    Raises InputError if the networks were trained on another source or split: these crystals are then not held out.
    """
    manifest, split = read_manifest(weights), {"by": run.preset.property_data.split_by, "seed": run.preset.seed}
    if (manifest.get("source"), manifest.get("split")) != (run.source_name, split):
        raise InputError(
            f"{weights} was trained on {manifest.get('source')} with the split {manifest.get('split')}, not on "
            f"{run.source_name} with {split}: its error has to be measured on crystals that were held out."
        )
    families = measure_widths(load_property_data(run), load_property_crystals(run), weights)
    found = {"networks": identity_of_networks(weights), "source": run.source_name, "split": split}
    write_json(weights / WIDTHS, found | {"families": {name: asdict(one) for name, one in families.items()}})
    for name, one in families.items():
        print(
            f"{name}: {one.coverage:.1%} of {one.test} test crystals within the 90 % interval, "
            f"width at least {one.floor:.3f} eV/atom (of {one.validation} validation crystals)"
        )
    print(weights / WIDTHS)


def measure_widths(data: PropertyData, crystals: Sequence[Crystal], weights: Path) -> dict[str, FamilyWidth]:
    """Return the widths by family, fitted on the validation part and counted on the test part.

    A family's are those of its cubic crystals, which are harder than others of these formulas.
    """
    networks = load_property_networks(weights)
    if FORMATION_ENERGY not in networks.by_property:
        raise InputError(f"{weights} has no network of the formation energy to be calibrated.")
    parts = {}
    for part in ("validation", "test"):
        chosen = data.labelled(FORMATION_ENERGY, part)
        found = networks.only(FORMATION_ENERGY).predict([data.graphs[index] for index in chosen])[FORMATION_ENERGY]
        spread = np.zeros(len(chosen)) if found.spread is None else found.spread.astype(np.float64)
        cubic = {one.id: one.family for one in screen([crystals[i] for i in chosen], require_label=False)[0]}
        named = np.array([cubic.get(crystals[index].id, OTHER) for index in chosen])
        parts[part] = named, found.values - data.labels[FORMATION_ENERGY][chosen], spread
    return {name: family_width(*(_of_family(parts[part], name) for part in parts)) for name in (*FAMILIES, OTHER)}


def _of_family(part: tuple[np.ndarray, ...], name: str) -> tuple[np.ndarray, np.ndarray]:
    named, errors, spread = part
    return errors[named == name], spread[named == name]


def family_width(validation: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> FamilyWidth:
    """Return the width of a family from errors and spreads of its validation crystals, counted on its test crystals."""
    floor, factor = fit_width(*validation)
    errors, spread = test
    inside = np.abs(errors) <= DEVIATIONS * np.hypot(floor, factor * spread)
    return FamilyWidth(
        floor, factor, len(validation[0]), len(errors), float(inside.mean()), float(np.abs(errors).mean())
    )
