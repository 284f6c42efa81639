"""A generator on CDVAE's protocol for Perov-5, beside what its rivals published: reconstruction and generation.

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
from data_prep.structures.matching import reduced_match
from data_prep.structures.validity import cdvae_fault
from experiments.rivals import PEROV5, Rival
from experiments.tables import markdown, shown, write_table
from models.decoding.atoms import Undecodable, to_structure
from repro.decoding.decoder import decoding_pool
from repro.generation.generator import BATCH, Generator
from repro.generation.generator_folder import load_generator
from repro.generation.request import Request
from repro.generation.targets import requested_targets
from repro.network_folders import GENERATOR
from repro.run import Run
from repro.scoring.benchmark_metrics import coverage, distribution_distance, reconstruction
from repro.scoring.fingerprints import fingerprints, require_matminer
from repro.scoring.smact_composition import composition_fault
from repro.scoring.structure_judgement import comparable
from repro.training.dataset import batches

SAMPLES = 10_000  # CDVAE's protocol
HEADER = (
    "", "match %", "RMSE", "match, valid only %", "structure valid %", "composition valid %", "COV-R %", "COV-P %",
    "EMD density", "EMD elements",
)  # fmt: skip


def from_run(
    run: Run,
    generator: Path | None = None,
    test: Path | None = None,
    samples: int = SAMPLES,
    limit: int = 0,
    seed: int = 0,
) -> dict:
    """Measure the generator of a folder on the rows of ``test``, at most ``limit`` of them (0: all).

    Finished fingerprints and samples are kept in the run's folder, so that a killed command goes on. Raises InputError
    if matminer is missing, or if a file is missing or of another format.
    """
    if test is None:
        raise InputError("perov5 needs --test FILE: a table in CDVAE's format (make perov5 DATA=FILE).")
    require_matminer()
    generator = generator or GENERATOR
    folder, loaded = run.folder("perov5"), load_generator(generator)
    crystals, rejected = read_source(str(test))
    print_rejected(rejected)
    crystals = crystals[:limit] if limit else crystals
    pairs = [(one, crystal.structure()) for one, crystal in zip(reconstructed(crystals, loaded), crystals, strict=True)]
    made = generated(loaded, samples, seed, folder / "samples")
    facts = {"generator": generator.name, "test": test.name, "rows": len(crystals), "not_read": len(rejected)}
    unseen = sum(not _known(crystal, loaded) for crystal in crystals)
    found = {"reconstruction": asdict(reconstruction(pairs)), "unseen_elements": unseen}
    return facts | found | {"generation": compute(made, crystals, folder / "fingerprints.jsonl", seed)}


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


def compute(made: Sequence[Structure | None], test: Sequence[Crystal], kept: Path, seed: int) -> dict:
    """Return the metrics of generated structures beside those of a test set; fingerprints are kept in ``kept``."""
    crystals = [crystal_from_structure(one, str(place)) for place, one in enumerate(made) if one is not None]
    structures = [one for one in made if one is not None]
    ours = fingerprints(crystals, kept, "generated")
    theirs = fingerprints(test, kept, "test")
    apart = np.array([not cdvae_fault(one) for one in structures], dtype=bool)
    possible = np.array([not composition_fault(one.formula) for one in crystals], dtype=bool)
    valid, covered = apart & possible & ours.there, coverage(ours, theirs, len(made))
    truth = [one.structure() for one in test]
    elements = [len(one.composition) for one in structures]
    return {
        "samples": len(made),
        "structure_valid": float(apart.sum() / len(made)),
        "composition_valid": float(possible.sum() / len(made)),
        "recall": covered.recall,
        "precision": covered.precision,
        "density_emd": distribution_distance([s.density for s in structures], [t.density for t in truth], valid, seed),
        "n_elements_emd": distribution_distance(elements, [len(t.composition) for t in truth], valid, seed),
        "arrangement": right_way_round(crystals, test),
    }


def right_way_round(crystals: Sequence[Crystal], test: Sequence[Crystal]) -> dict:
    """Return how many crystals have the composition of a test crystal, and the share of them that match one of it.

    Coverage does not tell chemistry that was learned from elements shuffled among A and B; this does.
    """
    known: dict[str, list[Structure]] = {}
    for crystal in test:
        if (cell := comparable(crystal.structure())) is not None:
            known.setdefault(crystal.formula, []).append(cell)
    right = []
    for crystal in crystals:
        if crystal.formula in known:
            cell = comparable(crystal.structure())
            right.append(cell is not None and any(reduced_match(cell, other) for other in known[crystal.formula]))
    return {"count": len(right), "right": float(np.mean(right)) if right else None}


def rows(found: dict) -> list[list[str]]:
    """Return our row, then those of the rivals, under ``HEADER``."""
    rebuilt, made = found["reconstruction"], found["generation"]
    shares = [made[name] for name in ("structure_valid", "composition_valid", "recall", "precision")]
    ours = [f"ours ({found['generator']})", shown(100 * rebuilt["matched"]), shown(rebuilt["rmse"], 4),
            shown(100 * rebuilt["matched_valid"]), *(shown(100 * share) for share in shares),
            shown(made["density_emd"], 3), shown(made["n_elements_emd"], 4)]  # fmt: skip
    return [ours, *(_rival(rival) for rival in PEROV5)]


def _rival(rival: Rival) -> list[str]:
    return [rival.name, shown(rival.match), shown(rival.rmse, 4), "–", shown(rival.structure_valid),
            shown(rival.composition_valid), shown(rival.recall), shown(rival.precision), shown(rival.density, 3),
            shown(rival.n_elements, 4)]  # fmt: skip


def text(found: dict) -> str:
    """Return the table in Markdown, and what it was measured on."""
    made, arrangement = found["generation"], found["generation"]["arrangement"]
    right = "none" if arrangement["right"] is None else f"{100 * arrangement['right']:.1f} % have its arrangement"
    notes = (
        f"{found['generator']} on {found['rows']:,} rows of {found['test']} ({found['unseen_elements']:,} with an "
        f"element that it never saw) and {made['samples']:,} samples. The rivals: the test split, after training on "
        f"11,356 structures. {arrangement['count']:,} samples have the composition of a row; of these {right}."
    )
    return f"{notes}\n\n{markdown(HEADER, rows(found))}"


def render(found: dict, path: Path) -> list[Path]:
    """Write ``path``.json and .md; ``path`` has no suffix."""
    return write_table(path, found, text(found))
