"""Everything that a run has left behind, read for the report before anything is drawn; what is missing stays empty."""

import copy
import csv
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from data_prep.errors import InputError
from data_prep.files.json_files import read_json
from data_prep.property_labels import FORMATION_ENERGY
from experiments import figure2, figure5, latent_space, seeds, slices
from experiments.means import interval_of
from experiments.stored import CANDIDATES, Stored, identity_of_generation, present, read_stored
from experiments.stored_generation import read_candidates
from repro import stamps
from repro.evaluation.results import Evaluation, read_evaluation
from repro.network_folders import network_names
from repro.run import PUBLISHED, Run
from repro.stages import STAGES
from repro.training.training_record import HISTORY

MEASURED = tuple(name for name in STAGES if name != "report")
OF_GENERATION = ("table2", "table3", "table3_dft", "table4", "figure6", "figure7", "novelty", "discovery")
OF_NETWORKS = {"figure2": figure2.NETWORKS, "figure3": latent_space.NETWORKS, "slices": slices.NETWORKS}


@dataclass(frozen=True)
class Published:
    """What comes with the project instead of a run's own results, for a run that ranks by the published networks.

    All are empty for any other run.
    """

    table1: dict = field(default_factory=dict)
    table5: dict = field(default_factory=dict)
    calibration: dict = field(default_factory=dict)
    perov5: dict = field(default_factory=dict)
    trainings: dict = field(default_factory=dict)
    seeds: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Material:
    """What the sections are made from; dicts and lists are empty if a stage or experiment has not been run.

    ``stamps`` of the finished stages by name, in the order of the way; ``histories`` of the trainings, one dict of
    losses per epoch; ``evaluation`` with intervals; ``generated`` the counts and ``candidates`` the rows of the
    generation; ``properties`` the errors of the run's property networks and ``parity`` their panels of Figure 5;
    ``ablations`` the run's own Table 5, ``repeated`` its own numbers over seeds. ``found`` has the other experiments'
    stored results of the present networks and the present generation; ``outdated`` names those whose networks or
    crystals have been made anew since, "seeds" if ``repeated`` is of other results than the present ones.
    """

    run: Run
    stamps: dict[str, dict]
    histories: dict[str, list[dict[str, float]]]
    evaluation: Evaluation
    generated: dict
    candidates: list[dict]
    properties: dict
    parity: dict[str, dict]
    ablations: dict
    repeated: dict
    published: Published
    found: Mapping[str, dict | Stored]
    outdated: frozenset[str]

    @property
    def ranking(self) -> dict:
        """Errors of the networks that the run ranks its candidates by."""
        return self.published.table1 or self.properties

    @property
    def table5(self) -> dict:
        """The run's own Table 5, or else the published one."""
        return self.ablations or self.published.table5

    @property
    def seeds(self) -> dict:
        """The run's own numbers over seeds, or else the published ones."""
        return self.repeated or self.published.seeds

    @property
    def folder(self) -> Path:
        """Where the report and its figures go."""
        return self.run.results


def gather(run: Run) -> Material:
    """Read stamps, histories and results of ``run``; raises InputError if one of the files is damaged."""
    stamped = {name: stamps.read(run.folder(name)) for name in MEASURED}
    first = {"train-cgcnn": network_names(FORMATION_ENERGY, run.preset.cgcnn_training.members)[0]}  # of its networks
    histories = {name: _history(run.folder(name) / first.get(name, "") / HISTORY) for name in MEASURED}
    properties = _json(run.results / "properties.json")
    found, repeated = _of_generation(run.results) | _of_networks(run), _json(run.results / "seeds.json")
    outdated = [name for name, result in found.items() if not result]
    outdated += ["seeds"] if seeds.outdated(repeated, run) else []
    return Material(
        run=run,
        stamps={name: stamp for name, stamp in stamped.items() if stamp},
        histories={name: history for name, history in histories.items() if history},
        evaluation=with_intervals(read_evaluation(run.results)),
        generated=_json(run.results / "generate" / "summary.json"),
        candidates=read_candidates(run.results) if (run.results / CANDIDATES).exists() else [],
        properties=properties,
        parity=figure5.compute(properties, run.results / "properties_test.npz") if properties else {},
        ablations=_json(run.results / "table5.json"),
        repeated=repeated,
        published=_published() if run.preset.generate.networks == "published" else Published(),
        found={name: result for name, result in found.items() if result},
        outdated=frozenset(outdated),
    )


def _of_generation(results: Path) -> dict[str, dict | None]:
    """Return the stored results of generated crystals, None for those of an earlier generation."""
    identity = identity_of_generation(results)
    stored = {name: results / f"{name}.json" for name in OF_GENERATION}
    found = {name: read_stored(path) for name, path in stored.items() if path.exists()}
    return {name: result if result.get("identity") == identity else None for name, result in found.items()}


def _of_networks(run: Run) -> dict[str, Stored | None]:
    """Return the stored results of trained networks, None for those of other networks than the present ones."""
    return {
        name: present(name, run, networks)
        for name, networks in OF_NETWORKS.items()
        if (run.results / f"{name}.json").exists()
    }


def _published() -> Published:
    return Published(**{one.name: _json(PUBLISHED / f"{one.name}.json") for one in fields(Published)})


def with_intervals(evaluation: Evaluation) -> Evaluation:
    """Return the evaluation with 95 % intervals of more of its means, as ``NAME_interval``.

    Of the VAEs ``density_mse``, ``kld`` and ``lattice_error`` (one interval per axis); of the routes ``species_right``
    and ``exact_fraction``, shares of all structures. Without measurements one by one nothing is added.
    """

    def of(entries: list[dict], group: str) -> list[dict]:
        return [entry for entry in entries if group in ("all", entry["family"])]

    found = Evaluation(copy.deepcopy(evaluation.summary), evaluation.structures)
    for model, entries in evaluation.structures.get("vae", {}).items():
        for group, part in found.vae_groups(model).items():
            members = of(entries, group)
            part |= {f"{name}_interval": interval_of([one[name] for one in members]) for name in ("density_mse", "kld")}
            axes = zip(*(entry["lattice_error"] for entry in members), strict=True)
            part["lattice_error_interval"] = [interval_of(axis) for axis in axes]
    for route, entries in evaluation.structures.get("routes", {}).items():
        for group, part in found.routes.get(route, {}).items():
            members = of(entries, group)
            part["species_right_interval"] = interval_of([entry.get("species_right") or 0.0 for entry in members])
            part["exact_fraction_interval"] = interval_of([float(entry.get("exact", False)) for entry in members])
    return found


def stale(material: Material) -> list[str]:
    """Return a sentence for each finished stage whose input has since been made anew."""
    return [
        f"The result of {name} was made from an earlier result of {needed}: run {name} again."
        for name, stamp in material.stamps.items()
        for needed, identity in stamp["inputs"].items()
        if needed in material.stamps and material.stamps[needed]["identity"] != identity
    ]


def _json(path: Path) -> dict:
    return read_json(path, "run its stage") if path.exists() else {}


def _history(path: Path) -> list[dict[str, float]]:
    """Return the losses of a training, one dict per epoch; none if it has not ended an epoch."""
    if not path.exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    except (ValueError, TypeError, csv.Error) as error:  # a fault of UTF-8 is a ValueError
        raise InputError(f"{path} is damaged ({error}): remove its folder and train again.") from error
