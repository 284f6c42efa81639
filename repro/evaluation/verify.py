"""python -m repro verify: the headline numbers once more, from the weights and crystals that come with the project.

Each number stands beside the one that was published with these weights. A changed weight, table or parameter that
moves one is a miss. ``results/published/verify.json`` holds what is expected.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data_prep.crystal import Crystal
from data_prep.elements import radii_of
from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.files.json_files import read_json
from data_prep.graphs import crystal_graph
from data_prep.hull.table import load_hull
from data_prep.property_labels import FORMATION_ENERGY
from data_prep.source_names import BASES
from data_prep.sources import read_source
from data_prep.splits import split_crystals, spread_evenly
from data_prep.voxelize import voxelize
from models.decoding.atoms import Undecodable
from repro.decoding.decoder import decoding_pool
from repro.decoding.latents import LatentMaps
from repro.evaluation import metrics
from repro.evaluation.evaluate import compare
from repro.evaluation.reconstruct import there_and_back
from repro.generation.generator import BATCH, Generator
from repro.generation.generator_folder import load_generator
from repro.generation.request import Request
from repro.generation.targets import requested_targets
from repro.network_folders import (
    GENERATOR,
    PAPERS_PROPERTY_NETWORKS,
    PEROV5_GENERATOR,
    PROPERTY_NETWORKS,
    read_manifest,
    unet_beside,
)
from repro.presets import FULL
from repro.properties.network_folder import load_property_networks
from repro.run import PUBLISHED
from repro.training.dataset import batches

EXPECTED = PUBLISHED / "verify.json"
HELD_OUT = PUBLISHED / "held_out.json"  # ids of the crystals of which the published evaluation tells
RELATIVE, ABSOLUTE = 0.01, 5e-4  # another machine's rounding moves a mean by less
COUNTS = ("parameters", "vertices", "checksums", "crystals")  # ends of the names of what must be equal
SHARE = 0.07  # one sample of the fewest: rounding may turn one of them into another crystal


@dataclass(frozen=True)
class Size:
    """How many crystals a form of the command measures."""

    held_out: int  # through the VAE and back, of those that no network of maps was trained on
    segmented: int  # of them, by the UNet
    predicted: int  # by the property networks, about
    generated: int  # samples, around one base and at random


FORMS = {
    "quick": Size(held_out=40, segmented=3, predicted=100, generated=16),
    "whole": Size(held_out=450, segmented=20, predicted=1000, generated=60),
}
Numbers = dict[str, float]


def verify(form: str, accept: bool = False) -> bool:
    """Measure everything, print it beside what is expected, and return whether all of it agrees.

    ``accept`` writes what was measured as what is expected from now on. Raises InputError if a file of weights is
    missing or damaged.
    """
    size, found, started = FORMS[form], {}, time.perf_counter()
    expected = {} if accept else _expected(form)
    print(f"{'':44}{'expected':>12} {'got':>12} {'tolerance':>10}  verdict")
    for name, value in _measure(size):
        found[name] = value
        if not accept:
            print(_line(name, value, expected.get(name)), flush=True)
    seconds = time.perf_counter() - started
    if accept:
        stored = read_json(EXPECTED, "") if EXPECTED.exists() else {}
        write_json(EXPECTED, stored | {form: found})
        print(f"{len(found)} numbers are expected from now on: {EXPECTED} ({seconds:.0f} s)")
        return True
    lacking = [name for name in expected if name not in found]
    for name in lacking:
        print(f"{name:44}{expected[name]:>12.6g} {'-':>12} {'-':>10}  NOT MEASURED")
    right, of = sum(agrees(name, value, expected.get(name)) for name, value in found.items()), len(found) + len(lacking)
    print(f"{right} of {of} numbers as published ({seconds:.0f} s).")
    return right == of


def agrees(name: str, value: float, expected: float | None) -> bool:
    """Return whether a number is the expected one, as far as another machine's rounding allows."""
    return expected is not None and abs(value - expected) <= tolerance(name, expected)


def tolerance(name: str, expected: float) -> float:
    """Return how far a number may be from what is expected: a count not at all, a share by one sample."""
    if name.endswith(COUNTS):
        return 0.0
    return SHARE if "share" in name else max(ABSOLUTE, RELATIVE * abs(expected))


def _line(name: str, value: float, expected: float | None) -> str:
    known = "-" if expected is None else f"{expected:.6g}"
    allowed = "-" if expected is None else f"{tolerance(name, expected):.2g}"
    verdict = "as published" if agrees(name, value, expected) else "DIFFERS"
    return f"{name:44}{known:>12} {value:>12.6g} {allowed:>10}  {verdict}"


def _expected(form: str) -> Numbers:
    found = read_json(EXPECTED, "run 'python -m repro verify --accept' on weights that are known to be right")
    try:
        return {name: float(value) for name, value in found[form].items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{EXPECTED} is damaged ({type(error).__name__}: {error}): clone the project again."
        ) from error


def _measure(size: Size) -> Iterator[tuple[str, float]]:
    """Yield every number with its name, from the weights to generated crystals."""
    for folder in (GENERATOR, PEROV5_GENERATOR, unet_beside(GENERATOR), PAPERS_PROPERTY_NETWORKS, PROPERTY_NETWORKS):
        yield f"files of weights/{folder.name} with their checksums", len(read_manifest(folder)["sha256"])
    generator, crystals = load_generator(), read_source(BASES)[0]
    held_out = _held_out(crystals)
    chosen = [held_out[place] for place in spread_evenly(len(held_out), size.held_out)]
    yield "bases: held-out crystals", len(held_out)
    parts: Sequence[Callable[[], Numbers]] = (
        lambda: _reconstructed(generator, chosen),
        lambda: _segmented(generator, chosen[:: -(-len(chosen) // size.segmented)]),
        lambda: _predicted(crystals[:: -(-len(crystals) // size.predicted)]),
        lambda: _stable(crystals[:: -(-len(crystals) // size.predicted)]),
        lambda: _generated(generator, crystals, size.generated),
    )
    for part in parts:
        yield from part().items()


def _held_out(crystals: Sequence[Crystal]) -> list[Crystal]:
    """Return the crystals of the published evaluation, whose formulas the generator was not trained on.

    Raises InputError if the split of the preset would have trained on one of them.
    """
    data = FULL.data
    parts = split_crystals(crystals, data.split_by, data.test_fraction, data.validation_fraction, FULL.seed)
    of_id = {crystal.id: (crystal, part) for crystal, part in zip(crystals, parts, strict=True)}
    ids = read_json(HELD_OUT, "clone the project again")
    trained = [id for id in ids if of_id.get(id, (None, ""))[1] != "test"]
    if trained:
        raise InputError(
            f"{HELD_OUT} names {trained[0]}, which the preset full does not hold out: the split has changed."
        )
    return [of_id[id][0] for id in ids]


def _reconstructed(generator: Generator, crystals: Sequence[Crystal]) -> Numbers:
    errors, compared = [], []
    with decoding_pool(len(crystals)) as pool:
        for part in batches(crystals, BATCH):
            for crystal, error, outcome in there_and_back(part, generator, pool):
                errors.append(error)
                compared.append(compare(crystal, outcome))
    decoded = [one for one in compared if "reason" not in one]
    return {
        "VAE: MSE": float(np.mean([one["mse"] for one in errors])),
        "VAE: divergence, nats": float(np.mean([one["kld"] for one in errors])),
        "VAE: cell edges, MAE, Å": float(np.mean([one["lattice_error"] for one in errors])),
        "by composition: EMD, Å": float(np.mean([one["emd"] for one in decoded])),
        "by composition: |dN|": float(np.mean([one["delta_n"] for one in decoded])),
        "by composition: share all right": float(np.mean([one.get("exact", False) for one in compared])),
    }


def _segmented(generator: Generator, crystals: Sequence[Crystal]) -> Numbers:
    counts, radii = metrics.VoxelCounts(), radii_of(generator.voxels.radii)
    compared = []
    with decoding_pool(1) as pool:
        for crystal in crystals:
            maps = generator.maps_of([crystal])
            species = voxelize(crystal.numbers, crystal.fractional, crystal.lengths, radii, generator.voxels.grid)[1]
            segmentation = generator.decoder.segment(maps)
            counts += metrics.voxel_counts(species[None], segmentation.probability, segmentation.occupied)
            prepared = generator.decoder.prepare(LatentMaps(maps), segmentation)
            (outcome,) = generator.decoder.decode(pool, prepared, "vote")
            compared.append(0.0 if isinstance(outcome, Undecodable) else compare(crystal, outcome)["species_right"])
    found = counts.summary()
    return {
        "UNet: parameters": generator.decoder.unet().count_params(),
        "UNet: recall by arg-max": found["nonzero_recall_argmax"],
        "UNet: recall at p > .5": found["nonzero_recall"],
        "UNet: F1, masked": found["f1_masked"],
        "true maps by vote: species per site": float(np.mean(compared)),
    }


def _predicted(crystals: Sequence[Crystal]) -> Numbers:
    graphs, found = [crystal_graph(crystal) for crystal in crystals], {}
    labels = np.array([crystal.formation_energy_per_atom for crystal in crystals])
    for folder in (PAPERS_PROPERTY_NETWORKS, PROPERTY_NETWORKS):
        networks = load_property_networks(folder)
        for name, prediction in networks.predict(graphs).items():
            found[f"{folder.name}: mean {name}"] = float(np.nanmean(prediction.values))
            if prediction.low is not None:
                found[f"{folder.name}: width of {name}"] = float(np.nanmean(prediction.high - prediction.low))
            if name == FORMATION_ENERGY:
                found[f"{folder.name}: formation energy MAE"] = float(np.abs(prediction.values - labels).mean())
    return found


def _stable(crystals: Sequence[Crystal]) -> Numbers:
    hull = load_hull()
    above = [one.formation_energy_per_atom - hull.at(one.structure().composition).energy for one in crystals]
    return {"hull: vertices": len(hull.phases), "hull: mean distance of known crystals": float(np.mean(above))}


def _generated(generator: Generator, crystals: Sequence[Crystal], samples: int) -> Numbers:
    found = {}
    for name, base in (("around AlNi", "AlNi"), ("at random", None)):
        targets = requested_targets(generator, Request(base=base, samples=samples), crystals)
        sampled = generator.sample(targets, generator.allowed(), processes=1)
        listed = [one for batch in sampled for one in batch]
        found[f"{name}: share valid"] = float(np.mean([one.valid for one in listed]))
        found[f"{name}: share of different formulas"] = len({one.formula for one in listed}) / len(listed)
    return found
