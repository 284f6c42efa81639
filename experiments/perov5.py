"""Generators on CDVAE's protocol for Perov-5, beside what its rivals published: reconstruction and generation.

A test file is a table in CDVAE's format: a CIF in a column and ``heat_all``, eV/atom, for the condition. No family and
no symmetry is asked for; a row with an element that the generator never saw counts as not reconstructed.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from pymatgen.core import Structure
from tqdm import tqdm

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.quarantine import print_rejected
from data_prep.sources import read_source
from data_prep.structures.validity import cdvae_fault
from experiments.perov5_arrangements import above_best, right_way_round
from experiments.rivals import PEROV5, Rival
from experiments.tables import markdown, shown, write_table
from models.decoding.atoms import Undecodable, to_structure
from repro.decoding.decoder import decoding_pool
from repro.generation.generator import BATCH, Generator
from repro.generation.generator_folder import load_generator
from repro.generation.request import Request
from repro.generation.targets import requested_targets
from repro.network_folders import PEROV5_GENERATOR, read_manifest
from repro.run import Run
from repro.scoring.benchmark_metrics import coverage, distribution_distance, reconstruction
from repro.scoring.fingerprints import fingerprints, require_matminer
from repro.scoring.smact_composition import composition_fault
from repro.training.dataset import batches, load_dataset

SAMPLES = 10_000  # CDVAE's protocol
REAL = 1000  # so many crystals of the training part are measured as if they had been generated
FINGERPRINTS = "fingerprints.jsonl"
ARRANGED = 500  # so many samples, and rows, are compared with their other arrangements
HEADER = (
    "", "match %", "RMSE", "match, valid only %", "structure valid %", "composition valid %", "COV-R %", "COV-P %",
    "EMD density", "EMD elements",
)  # fmt: skip


def from_run(
    run: Run,
    generators: Sequence[Path] = (),
    test: Path | None = None,
    samples: Sequence[int] = (SAMPLES,),
    limit: int = 0,
    seed: int = 0,
) -> dict:
    """Measure generators on the rows of ``test``, or on the run's held-out crystals, at most ``limit`` (0: all).

    The ``generators`` are folders; the default is the run's own, or with a ``test`` file the one that comes with the
    project. ``samples`` are generated of each, one number for all or one for each. Finished fingerprints and samples
    are kept in the run's folder, so that a killed command goes on. Raises InputError if matminer is missing, if the
    samples are not as many numbers or too few, or if a file is missing or of another format.
    """
    require_matminer()
    folders = list(generators) or [PEROV5_GENERATOR if test else run.folder("generator")]
    if len(samples) not in (1, len(folders)):
        there = "there is 1 generator" if len(folders) == 1 else f"there are {len(folders)} generators"
        raise InputError(f"--samples has {len(samples)} numbers, {there}: give one, or one for each.")
    if min(samples) < 1:
        raise InputError(f"--samples {min(samples)} asks for nothing: give 1 or more for each generator.")
    counts = list(samples) * (1 if len(samples) > 1 else len(folders))
    crystals, facts = _test_crystals(run, test, limit)
    work = run.folder("perov5")
    if test is None:
        facts["ceiling"] = compute(_some_of_training(run, seed), crystals, work / FINGERPRINTS, seed)
    measured = [_measured(one, crystals, work, count, seed) for one, count in zip(folders, counts, strict=True)]
    return facts | {"measured": measured}


def _some_of_training(run: Run, seed: int) -> list[Crystal]:
    """Return real crystals in place of samples: what they reach, no generator can be expected to exceed."""
    train = load_dataset(run).train
    return [train[place] for place in np.random.default_rng(seed).permutation(len(train))[:REAL]]


def _test_crystals(run: Run, test: Path | None, limit: int) -> tuple[list[Crystal], dict]:
    if test is None:
        dataset, rejected = load_dataset(run), []
        crystals = [dataset.crystals[index] for index in dataset.indices("test")]
        name = f"the held-out part of {run.source_name}"
    else:
        crystals, rejected = read_source(str(test))
        print_rejected(rejected)
        name = test.name
    crystals = crystals[:limit] if limit else crystals
    return crystals, {"test": name, "rows": len(crystals), "not_read": len(rejected)}


def _measured(folder: Path, crystals: Sequence[Crystal], work: Path, samples: int, seed: int) -> dict:
    """Return what is measured of one generator; its samples and fingerprints are kept in the folder ``work``."""
    generator, manifest = load_generator(folder), read_manifest(folder)
    rebuilt = zip(reconstructed(crystals, generator), (one.structure() for one in crystals), strict=True)
    found = {
        "generator": manifest["preset"],
        "way": generator.sampling.way,
        "trained_on": manifest.get("training_crystals"),
        "unseen_elements": sum(not _known(crystal, generator) for crystal in crystals),
        "reconstruction": asdict(reconstruction(list(rebuilt))),
    }
    sampled = generated(generator, samples, seed, work / f"samples-{manifest['preset']}")
    made = [None if one is None else crystal_from_structure(one, str(place)) for place, one in enumerate(sampled)]
    there = [one for one in made if one is not None]
    arranged = {
        "known": right_way_round(there, crystals),
        "generated": above_best(there[:ARRANGED], generator.properties, generator.volumes),
        "test": above_best(crystals[:ARRANGED], generator.properties, generator.volumes),
    }
    return found | {"generation": compute(made, crystals, work / FINGERPRINTS, seed), "arrangement": arranged}


def _known(crystal: Crystal, generator: Generator) -> bool:
    return set(crystal.numbers.tolist()) <= set(generator.elements.tolist())


def reconstructed(crystals: Sequence[Crystal], generator: Generator) -> list[Structure | None]:
    """Return each crystal after one encoding and one decoding, in a cell with its own angles (F2)."""
    found: dict[int, Structure | None] = dict.fromkeys(range(len(crystals)))
    places = [place for place, crystal in enumerate(crystals) if _known(crystal, generator)]
    with decoding_pool(len(places)) as pool, tqdm(total=len(places), desc="reconstruct", unit=" structures") as bar:
        for part in batches(places, BATCH):
            those = [crystals[place] for place in part]
            maps, conditions = generator.maps_of(those), generator.conditions_of(those)
            decoded = generator.autoencoder.reconstruct(maps, conditions, [one.numbers for one in those]).decoded
            outcomes = generator.decoder.atoms(pool, decoded, generator.sampling.way)
            for place, crystal, outcome in zip(part, those, outcomes, strict=True):
                if not isinstance(outcome, Undecodable):
                    found[place] = to_structure(outcome, crystal.angles)
            bar.update(len(part))
    return list(found.values())


def generated(generator: Generator, samples: int, seed: int, parts: Path) -> list[Structure | None]:
    """Return random samples of a generator, evenly over the conditions; None for those that are no crystals."""
    targets = requested_targets(generator, Request(samples=samples, seed=seed), [])
    found = generator.sample(targets, generator.allowed(), parts, progress=True)
    return [candidate.structure for batch in found for candidate in batch]


def compute(made: Sequence[Crystal | None], test: Sequence[Crystal], kept: Path, seed: int) -> dict:
    """Return the metrics of generated crystals beside those of a test set; fingerprints are kept in ``kept``.

    None is a sample that is no crystal.
    """
    crystals = [one for one in made if one is not None]
    structures, truth = [one.structure() for one in crystals], [one.structure() for one in test]
    ours = fingerprints(crystals, kept, "generated")
    theirs = fingerprints(test, kept, "test")
    apart = np.array([not cdvae_fault(one) for one in structures], dtype=bool)
    possible = np.array([not composition_fault(one.formula) for one in crystals], dtype=bool)
    valid, covered = apart & possible & ours.there, coverage(ours, theirs, len(made))
    elements = [len(one.composition) for one in structures]
    return {
        "samples": len(made),
        "structure_valid": float(apart.sum() / len(made)),
        "composition_valid": float(possible.sum() / len(made)),
        "recall": covered.recall,
        "precision": covered.precision,
        "density_emd": distribution_distance([s.density for s in structures], [t.density for t in truth], valid, seed),
        "n_elements_emd": distribution_distance(elements, [len(t.composition) for t in truth], valid, seed),
    }


def rows(found: dict) -> list[list[str]]:
    """Return under ``HEADER`` a row for each of our generators, maybe one for real crystals, and the rivals'."""
    ours = [[f"ours ({one['generator']})", *_rebuilt(one["reconstruction"]), *_made(one["generation"])]
            for one in found["measured"]]  # fmt: skip
    if "ceiling" in found:
        real = f"{found['ceiling']['samples']:,} real crystals of the training part"
        ours.append([real, "–", "–", "–", *_made(found["ceiling"])])
    return [*ours, *map(_rival, PEROV5)]


def _rebuilt(found: dict) -> list[str]:
    return [shown(100 * found["matched"]), shown(found["rmse"], 4), shown(100 * found["matched_valid"])]


def _made(found: dict) -> list[str]:
    shares = [found[name] for name in ("structure_valid", "composition_valid", "recall", "precision")]
    emd = shown(found["density_emd"], 3), shown(found["n_elements_emd"], 4)
    return [*(shown(100 * share) for share in shares), *emd]


def _rival(rival: Rival) -> list[str]:
    return [rival.name, shown(rival.match), shown(rival.rmse, 4), "–", shown(rival.structure_valid),
            shown(rival.composition_valid), shown(rival.recall), shown(rival.precision), shown(rival.density, 3),
            shown(rival.n_elements, 4)]  # fmt: skip


def trained_on(found: dict) -> str:
    """Return in a sentence what ours and the rivals' were trained and measured on."""
    sizes = [f"{one['trained_on']:,}" if one["trained_on"] else "an unknown number of" for one in found["measured"]]
    training = " and ".join(
        f"{one['generator']} on {size} structures" for one, size in zip(found["measured"], sizes, strict=True)
    )
    samples = " and ".join(f"{one['generation']['samples']:,}" for one in found["measured"])
    return (
        f"Trained: {training}; the rivals on 11,356 structures, and measured on the test split. Ours on "
        f"{found['rows']:,} rows: {found['test']}, with {samples} samples."
    )


def statements(found: dict) -> list[str]:
    """Return for each of our generators in a sentence whether its elements lie on the right sites."""
    return list(map(_arrangement, found["measured"]))


def text(found: dict) -> str:
    """Return the table in Markdown, and what it was measured on."""
    return "\n\n".join([trained_on(found), markdown(HEADER, rows(found)), *statements(found)])


def _arrangement(measured: dict) -> str:
    known, ours, true = (measured["arrangement"][name] for name in ("known", "generated", "test"))
    parts = [f"{measured['generator']}: {known['count']:,} samples have the composition of a row"]
    if known["count"]:
        parts.append(f"{100 * known['right']:.1f} % of these its arrangement")
    if ours["count"]:
        parts.append(f"the elements of {100 * ours['best']:.1f} % lie as is best by predicted energy, on average "
                     f"{ours['mean']:.3f} eV/atom above it ({ours['count']:,} samples)")  # fmt: skip
    if true["count"]:
        parts.append(f"of the rows themselves {100 * true['best']:.1f} % and {true['mean']:.3f} eV/atom")
    return "; ".join(parts) + "."


def render(found: dict, path: Path) -> list[Path]:
    """Write ``path``.json and .md; ``path`` has no suffix."""
    return write_table(path, found, text(found))
