"""The stage that measures every network on the held-out crystals (Results; Table 5, Figure 4; F10 to F25).

A *route* is a source of maps and a way from maps to atoms (see ``repro.evaluation.results`` and ``models.decoding``).
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from pymatgen.core import Element
from tqdm import tqdm

from data_prep.box import box_positions, voxel_edges, voxel_positions
from data_prep.crystal import Crystal, all_families
from data_prep.files.atomic import write_json
from data_prep.shards import VoxelStore, fingerprint
from models.decoding import Way
from models.decoding.atoms import Decoded, Undecodable
from models.decoding.watershed import components_by_species
from models.decoding.watershed_parameters import PAPERS_READING
from repro.decoding.decoder import Decoder, MapToDecode, decoding_pool
from repro.decoding.latents import Autoencoder, LatentMaps, trained_autoencoder
from repro.evaluation import metrics
from repro.evaluation.results import (
    OURS,
    PAPERS_WATERSHED,
    RELEASED,
    STRUCTURES,
    SUMMARY,
    TRUE_MAP,
    TRUE_SPECIES,
    route,
)
from repro.generation.generator_folder import SITE_COUNTS, VAE, load_generator
from repro.network_folders import read_manifest
from repro.released.released_files import identity_of_released
from repro.run import Run
from repro.stages import PARTS
from repro.training.dataset import Dataset, batches, load_dataset, load_store

RELEASED_GRID = 32  # voxels of the authors' maps


@dataclass
class Records:
    """The measurements, one entry per structure: errors of reconstructions by VAE, and of structures by route."""

    reconstructions: dict[str, list[dict]] = field(default_factory=lambda: defaultdict(list))
    routes: dict[str, list[dict]] = field(default_factory=lambda: defaultdict(list))
    voxels: metrics.VoxelCounts = field(default_factory=metrics.VoxelCounts)

    @classmethod
    def from_json(cls, found: dict) -> "Records":
        """Return what ``to_json`` turned into plain data."""
        return cls(found["reconstructions"], found["routes"], metrics.VoxelCounts.from_json(found["voxels"]))

    def to_json(self) -> dict:
        """Return the measurements as plain data."""
        return {"reconstructions": self.reconstructions, "routes": self.routes, "voxels": asdict(self.voxels)}

    def add(self, other: "Records") -> None:
        """Append the measurements of further structures."""
        for mine, more in ((self.reconstructions, other.reconstructions), (self.routes, other.routes)):
            for name, entries in more.items():
                mine[name] += entries
        self.voxels += other.voxels


@dataclass(frozen=True)
class Networks:
    """The networks that are measured: autoencoders by name, and the decoder from maps to atoms."""

    autoencoders: dict[str, Autoencoder]
    decoder: Decoder


def evaluate(run: Run) -> dict:
    """Measure the held-out part; write ``evaluation.json`` and, per structure, ``evaluation_structures.json``.

    Finished batches are kept: a killed evaluation goes on from there, and one that follows a change of the generator
    which does not concern it takes them over.
    """
    dataset, store = load_dataset(run), load_store(run)
    test = dataset.indices("test", run.preset.evaluate.limit)
    generator = load_generator(run.folder("generator"))
    networks = Networks({OURS: generator.autoencoder}, generator.decoder)
    if run.released_vae and store.grid == RELEASED_GRID:
        from models.released.vae_weights import RELEASED_VAE, load_released_vae  # imports Keras

        networks.autoencoders[RELEASED] = trained_autoencoder(*load_released_vae(run.released_vae), RELEASED_VAE)
    records, measured_with = Records(), _measured_with(run)
    maps = len(test) * (2 * len(networks.autoencoders) + 3)  # true and reconstructed ones by two ways, true species
    with decoding_pool(maps) as pool, tqdm(total=len(test), desc="evaluate", unit=" structures") as bar:
        for chunk in batches(test, run.preset.evaluate.batch_size):
            crystals = fingerprint([dataset.crystals[index] for index in chunk], store.grid, run.preset.voxels.radii)
            digest = hashlib.sha256(f"{measured_with} {crystals}".encode()).hexdigest()
            part = run.folder("evaluate") / PARTS / f"{digest[:16]}.json"
            found = _stored(part)
            if found is None:
                write_json(part, measure(chunk, dataset, store, networks, pool).to_json())
                found = Records.from_json(json.loads(part.read_text()))
            records.add(found)
            bar.update(len(chunk))
    summary = summarise(records, run)
    write_json(run.results / SUMMARY, summary)
    write_json(run.results / STRUCTURES, {"vae": records.reconstructions, "routes": records.routes})
    _print(summary)
    return {"structures": len(test), "models": list(networks.autoencoders)}


def _measured_with(run: Run) -> str:
    """Return what the measurements depend on: the networks and how they decode, not how the generator samples."""
    manifest = read_manifest(run.folder("generator"))
    files = {name: manifest["sha256"].get(name) for name in (VAE, SITE_COUNTS)}
    decoding = {name: manifest[name] for name in ("unet", "watershed", "sites", "angles", "elements", "voxels")}
    return json.dumps([files, decoding, identity_of_released(run.shared)], sort_keys=True)


def _stored(part: Path) -> Records | None:
    """Return the measurements of a finished batch, None if missing or damaged: it is measured again."""
    try:
        return Records.from_json(json.loads(part.read_text()))
    except (OSError, ValueError, TypeError, KeyError):  # a JSON fault is a ValueError
        return None


def measure(chunk: np.ndarray, dataset: Dataset, store: VoxelStore, networks: Networks, pool: Executor) -> Records:
    """Return the measurements of one batch of held-out structures."""
    records = Records()
    crystals = [dataset.crystals[index] for index in chunk]
    true, species = store.maps(chunk), np.stack([store.species(index) for index in chunk])
    segmentation = networks.decoder.segment(true)
    records.voxels += metrics.voxel_counts(species, segmentation.probability, segmentation.occupied)
    prepared = networks.decoder.prepare(LatentMaps(true), segmentation)
    _measure_maps(records, TRUE_MAP, crystals, prepared, networks.decoder, pool)
    for name, autoencoder in networks.autoencoders.items():
        found = autoencoder.reconstruct(true, dataset.condition(chunk), [crystal.numbers for crystal in crystals])
        records.reconstructions[name] += found.errors(crystals)
        prepared = networks.decoder.prepare(found.decoded, networks.decoder.segment(found.decoded.maps))
        _measure_maps(records, name, crystals, prepared, networks.decoder, pool)
    ceiling = [_from_true_species(crystal, labels) for crystal, labels in zip(crystals, species, strict=True)]
    records.routes[TRUE_SPECIES] += [compare(c, outcome) for c, outcome in zip(crystals, ceiling, strict=True)]
    return records


def _measure_maps(
    records: Records,
    source: str,
    crystals: Sequence[Crystal],
    prepared: Sequence[MapToDecode],
    decoder: Decoder,
    pool: Executor,
) -> None:
    """Add the structures that each way finds in a batch of maps."""
    ways: tuple[Way, ...] = ("vote", "fit") if prepared[0].composition is None else ("vote", "fit", "composition")
    for way in ways:
        pairs = zip(crystals, decoder.decode(pool, prepared, way), strict=True)
        records.routes[route(source, way)] += [compare(crystal, outcome) for crystal, outcome in pairs]
    if decoder.watershed != PAPERS_READING:
        as_printed = replace(decoder, watershed=PAPERS_READING)
        pairs = zip(crystals, as_printed.decode(pool, prepared, "vote"), strict=True)
        records.routes[route(source, PAPERS_WATERSHED)] += [compare(crystal, outcome) for crystal, outcome in pairs]


def _from_true_species(crystal: Crystal, labels: np.ndarray) -> Decoded:
    """Return the best structure that the representation allows: the components of the true species map (F11)."""
    regions = components_by_species(labels)
    edges = voxel_edges(crystal.lengths, len(labels))
    positions = voxel_positions(regions.centres, edges, len(labels))
    return Decoded(regions.species, positions, positions / crystal.lengths, crystal.lengths)


def compare(crystal: Crystal, outcome: Decoded | Undecodable) -> dict:
    """Return how one decoded structure differs from the true one; distances in Å in the boxed frame (F25)."""
    record = {"id": crystal.id, "family": crystal.family, "numbers": crystal.numbers}
    if isinstance(outcome, Undecodable):
        return record | {"reason": outcome.reason}
    true = box_positions(crystal.fractional, crystal.lengths)
    arguments = (crystal.numbers, true, outcome.numbers, outcome.cartesian)
    return record | {
        "emd": metrics.emd(true, outcome.cartesian),
        "delta_n": metrics.delta_n(true, outcome.cartesian),
        "species_right": metrics.species_right_per_site(*arguments),
        "exact": bool(metrics.exact_match(*arguments)),
        "found": metrics.elements_found(*arguments),
    }


def summarise(records: Records, run: Run) -> dict:
    """Return all metrics, overall and per family, with counts and failures by reason."""
    measured = (entry["family"] for entries in records.reconstructions.values() for entry in entries)
    groups = {"all": None} | {family: family for family in all_families(measured)}
    return {
        "run": run.name,
        "source": run.source_name,
        "preset": run.preset.name,
        "vae": {
            name: {group: _vae_summary(_of_family(entries, family)) for group, family in groups.items()}
            for name, entries in records.reconstructions.items()
        },
        "unet": records.voxels.summary(),
        "elements": {
            name: element_summary(entries)
            for name, entries in records.routes.items()
            if name.endswith(("fit", "composition"))
        },
        "routes": {
            name: {group: _route_summary(_of_family(entries, family)) for group, family in groups.items()}
            for name, entries in records.routes.items()
        },
    }


def _of_family(entries: list[dict], family: str | None) -> list[dict]:
    return [entry for entry in entries if family is None or entry["family"] == family]


def _vae_summary(entries: list[dict]) -> dict:
    if not entries:
        return {"count": 0}
    means = {name: float(np.mean([entry[name] for entry in entries])) for name in ("mse", "density_mse", "kld")}
    lattice = {
        name: np.mean([entry[name] for entry in entries], axis=0) for name in ("lattice_error", "lattice_error_minmax")
    }
    low, high = metrics.bootstrap_interval([entry["mse"] for entry in entries], seed=0)
    return {"count": len(entries), **means, "mse_interval": [low, high], **lattice}


def _route_summary(entries: list[dict]) -> dict:
    """Means over the structures that could be decoded; shares over all structures."""
    decoded = [entry for entry in entries if "reason" not in entry]
    result = {
        "count": len(entries),
        "decoded": len(decoded),
        "failures": dict(Counter(entry["reason"] for entry in entries if "reason" in entry)),
    }
    shares = {"exact_fraction": "exact", "species_right": "species_right"}
    measured = {share: [float(entry.get(name, 0)) for entry in entries] for share, name in shares.items()}
    measured |= {name: [entry[name] for entry in decoded] for name in ("emd", "delta_n")}
    for name, values in measured.items():
        if values:
            result[name] = float(np.mean(values))
            result[f"{name}_interval"] = list(metrics.bootstrap_interval(values, seed=0))
    return {"exact_fraction": 0.0, "species_right": 0.0} | result


def element_summary(entries: list[dict]) -> dict[str, dict]:
    """Return for each element the number of held-out sites, how many are right, and the three commonest mistakes.

    "none" is a true site without a decoded site near it, as all are of a structure that could not be decoded. Such a
    structure of an evaluation by an earlier version has no ``numbers``: it is left out.
    """
    found: dict[int, Counter] = defaultdict(Counter)
    for entry in entries:
        numbers = entry.get("numbers", ())
        for true, other in zip(numbers, entry.get("found", [0] * len(numbers)), strict=True):
            found[int(true)][int(other)] += 1
    name = {0: "none"} | {number: Element.from_Z(number).symbol for number in range(1, 119)}
    return {
        name[number]: {
            "sites": counts.total(),
            "right": counts[number],
            "mistakes": {name[other]: n for other, n in (counts - Counter({number: counts[number]})).most_common(3)},
        }
        for number, counts in sorted(found.items())
    }


def _print(summary: dict) -> None:
    for name, groups in summary["vae"].items():
        lattice = " ".join(f"{value:.3f}" for value in groups["all"]["lattice_error"])
        print(f"VAE {name}: MSE {groups['all']['mse']:.4f}, KLD {groups['all']['kld']:.1f}, lattice MAE {lattice} Å")
    for name, groups in summary["routes"].items():
        values = groups["all"]
        print(
            f"{name}: {values['decoded']} of {values['count']} decoded, EMD {values.get('emd', float('nan')):.3f} Å, "
            f"|dN| {values.get('delta_n', float('nan')):.2f}, all right {100 * values['exact_fraction']:.1f} %"
        )
