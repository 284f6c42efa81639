"""The scores of all structures together: each metric with its value, definition, count and bootstrap interval."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import wasserstein_distance

from data_prep.property_labels import FORMATION_ENERGY
from data_prep.structures.validity import CROWDED
from repro.evaluation.metrics import bootstrap_interval
from repro.properties.stability import NEAR
from repro.relaxation.calculation_store import CONVERGED
from repro.scoring.reference import KnownNumbers
from repro.scoring.score_rows import LABEL, RELAXED_ABOVE, STAGES, passes, stable_unique_new

ALL = "of all structures given, those that could not be read included"
SEED, RESAMPLES = 0, 200  # of the intervals; resamples of those that are not of a mean


@dataclass(frozen=True)
class Metric:
    """One number: ``value`` (None if nothing was there to measure) of ``count`` structures, with its 95 % interval."""

    name: str
    value: float | None
    unit: str
    definition: str
    count: int
    interval: tuple[float, float] | None

    def plain(self) -> dict:
        """Return the metric as plain data."""
        return asdict(self)


def share(name: str, flags: Sequence[bool], definition: str, interval: bool = True) -> Metric:
    """Return the share of the true ones among ``flags``."""
    return mean(name, [float(bool(flag)) for flag in flags], "", definition, interval)


def mean(name: str, values: Sequence[float | None], unit: str, definition: str, interval: bool = True) -> Metric:
    """Return the mean of those ``values`` that are not None."""
    known = [float(value) for value in values if value is not None]
    ends = bootstrap_interval(known, SEED) if interval and len(known) > 1 else None
    return Metric(name, float(np.mean(known)) if known else None, unit, definition, len(known), ends)


def distance(name: str, ours: Sequence[float], theirs: Sequence[float], unit: str, definition: str) -> Metric:
    """Return the earth mover's distance of two samples of a number, the interval over resamples of ``ours``."""
    if not len(ours) or not len(theirs):
        return Metric(name, None, unit, definition, len(ours), None)
    ours, rng = np.asarray(ours, dtype=float), np.random.default_rng(SEED)
    found = [wasserstein_distance(rng.choice(ours, len(ours)), theirs) for _ in range(RESAMPLES)]
    low, high = np.quantile(found, (0.025, 0.975))
    return Metric(
        name, float(wasserstein_distance(ours, theirs)), unit, definition, len(ours), (float(low), float(high))
    )


def funnel(rows: Sequence[dict]) -> dict[str, int]:
    """Return how many structures there are, and how many are left after each of ``STAGES``."""
    return {"given": len(rows)} | {stage: sum(passes(row, stage) for row in rows) for stage in STAGES}


def metrics(rows: Sequence[dict], known: KnownNumbers, relaxed: bool = False) -> list[Metric]:
    """Return the metrics of finished rows; ``relaxed`` adds those of the relaxations."""
    found = [*_shares(rows), *_of_the_valid([row for row in rows if passes(row, "valid")], known)]
    return found + (_of_relaxations(rows) if relaxed else [])


def _shares(rows: Sequence[dict]) -> list[Metric]:
    def stage(name: str) -> list[bool]:
        return [passes(row, name) for row in rows]

    def flag(name: str) -> list[bool]:
        return [row[name] for row in rows]

    valid, unique = ([row for row in rows if passes(row, name)] for name in ("valid", "unique"))
    return [
        share("read", stage("read"), f"an ordered crystal with a cell and apart sites could be read; {ALL}"),
        share("structure_valid", flag("structure_valid"),
              f"CDVAE's rule: different sites at least 0.5 Å apart, a volume of at least 0.1 Å³; {ALL}"),
        share("structure_valid_paper", flag("structure_valid_paper"),
              f"this paper's rule: pymatgen's is_valid with 0.5 Å; {ALL}"),
        share("composition_valid", flag("composition_valid"),
              f"SMACT 2.2.1's tables: one element, all metals, or a neutral assignment of oxidation states with "
              f"cations less electronegative than anions; {ALL}"),
        share("valid", stage("valid"), f"structure (CDVAE's rule) and composition are valid; {ALL}"),
        share("unique", [passes(row, "unique") for row in valid],
              "no earlier structure of the formula matches (StructureMatcher, ltol 0.3, stol 0.5, angle_tol 10, "
              "volumes scaled); of the valid. It falls with the number of structures, so it has no interval",
              interval=False),
        share("new_structure", [passes(row, "new") for row in unique],
              "no crystal of the reference matches (the same StructureMatcher); of the valid and unique"),
        share("new_formula", [not row["known_formula"] for row in unique],
              "no crystal of the reference has the reduced formula; of the valid and unique"),
        share("metastable", [row["e_above_hull"] <= NEAR for row in valid if row["e_above_hull"] is not None],
              f"predicted at most {NEAR} eV/atom above the convex hull; of the valid with an energy"),
        share("valid_unique_new", stage("new"), f"valid, unique and new; {ALL}"),
        share("valid_unique_new_metastable", stage("metastable"),
              f"valid, unique, new and predicted at most {NEAR} eV/atom above the hull; {ALL}"),
    ]  # fmt: skip


def _of_the_valid(valid: Sequence[dict], known: KnownNumbers) -> list[Metric]:
    def values(name: str) -> list:
        return [row[name] for row in valid]

    errors = [abs(row[FORMATION_ENERGY] - row[LABEL]) for row in valid
              if row[LABEL] is not None and row[FORMATION_ENERGY] is not None]  # fmt: skip
    return [
        mean("e_above_hull", values("e_above_hull"), "eV/atom", "predicted energy above the hull, mean over the valid"),
        mean(FORMATION_ENERGY, values(FORMATION_ENERGY), "eV/atom", "predicted formation energy, mean over the valid"),
        mean("formation_energy_mae", errors, "eV/atom",
             "mean absolute difference of the predicted formation energy from the label that the input has or, if it "
             "has none, from that of the known crystal that matches; of the valid. It means something only if both are "
             "of the generation of the networks (Materials Project before 2021)"),
        share("p1", [row["spacegroup"] in (None, 1) for row in valid],
              "no symmetry within 0.1 Å (spglib); of the valid"),
        share("crowded", [row["closeness"] < CROWDED for row in valid],
              f"two atoms closer than {CROWDED} of the sum of their atomic radii; of the valid"),
        mean("smallest_distance", values("smallest_distance"), "Å", "periodic images included, mean over the valid"),
        mean("density", values("density"), "g/cm³", "mean over the valid"),
        mean("n_elements", values("n_elements"), "", "number of elements, mean over the valid"),
        distance("density_emd", values("density"), known.density, "g/cm³",
                 "1-D Wasserstein distance of the densities of the valid and of all crystals of the reference"),
        distance("n_elements_emd", values("n_elements"), known.n_elements, "",
                 "1-D Wasserstein distance of the numbers of elements of the valid and of the reference"),
    ]  # fmt: skip


def _of_relaxations(rows: Sequence[dict]) -> list[Metric]:
    tried = [row for row in rows if row["relaxation"]]
    return [
        share("relaxed", [row["relaxation"].startswith(CONVERGED) for row in tried],
              "the relaxation converged; of the structures valid by CDVAE's rule"),
        mean("relaxed_formation_energy", [row["relaxed_formation_energy"] for row in tried], "eV/atom",
             "after relaxation, from elements relaxed in the same way"),
        mean("displacement", [row["displacement"] for row in tried], "Å",
             "root mean square over the sites of how far relaxation moved them, mean over the converged"),
        share("metastable_relaxed", [row[RELAXED_ABOVE] <= NEAR for row in tried if row[RELAXED_ABOVE] is not None],
              f"after relaxation at most {NEAR} eV/atom above the hull, the potential's mean error taken off; of the "
              "converged with an energy of the hull"),
        share("valid_unique_new_metastable_relaxed", [stable_unique_new(row) for row in rows],
              f"valid, unique, new and after relaxation at most {NEAR} eV/atom above the hull; {ALL}"),
    ]  # fmt: skip


def value_text(metric: Metric) -> str:
    """Return value and interval of a metric for a reader."""
    if metric.value is None:
        return "not measured"
    form = "{:.4g}".format
    ends = f" [{form(metric.interval[0])}, {form(metric.interval[1])}]" if metric.interval else ""
    return f"{form(metric.value)}{ends}{' ' + metric.unit if metric.unit else ''}"
