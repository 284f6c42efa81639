"""python -m repro reconstruct: your own crystals through the VAE and back to atoms, and the errors of each."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_prep.crystal import Crystal, file_name
from data_prep.errors import InputError
from data_prep.files.atomic import write_csv, write_text
from data_prep.quarantine import MAX_SITES, Rejected, Unusable, print_rejected, screen
from data_prep.sources.cells import in_standard_cell
from data_prep.sources.structure_files import named, read_structures, require_whole
from data_prep.structures.cif import cif_text
from models.decoding.atoms import Decoded, Undecodable, to_structure
from repro.decoding.decoder import decoding_pool
from repro.evaluation.evaluate import compare
from repro.generation.generator import BATCH, Generator
from repro.generation.generator_folder import load_generator
from repro.network_folders import GENERATOR
from repro.relaxation.relax_files import distinct_names
from repro.training.dataset import batches

COLUMNS = (
    "id", "formula", "decoded_formula", "exact", "species_right", "delta_n", "emd", "error_a", "error_b", "error_c",
    "mse", "density_mse", "kld", "file", "reason",
)  # fmt: skip


def reconstruct_files(paths: Sequence[Path], out: Path | None = None, weights: Path = GENERATOR) -> None:
    """Encode and decode what ``paths`` hold, into CIFs and ``reconstruction.csv`` of ``out``.

    Raises InputError when nothing of it can be encoded.
    """
    found, rejected = read_structures(paths)
    generator = load_generator(weights)
    crystals, refused = encodable(found, generator)
    print_rejected(rejected + refused)
    if not crystals:
        raise InputError(
            f"{named(paths)}: nothing can be encoded, see above; "
            f"give cubic AB, ABX3 or ABX2 of at most {MAX_SITES} sites."
        )
    out = out or Path(f"reconstructed-{paths[0].resolve().name.split('.')[0]}")
    rows, names = [], distinct_names([crystal.id for crystal in crystals])
    with decoding_pool(len(crystals)) as pool, tqdm(total=len(crystals), desc="reconstruct", unit=" structures") as bar:
        for part, named_so in zip(batches(crystals, BATCH), batches(names, BATCH), strict=True):
            rows += _reconstruct(part, named_so, generator, pool, out)
            bar.update(len(part))
    write_csv(out / "reconstruction.csv", rows, COLUMNS, digits=4)
    exact = sum(row.get("exact") is True for row in rows)
    print(f"{len(rows)} structures, {exact} come back entirely right; {out / 'reconstruction.csv'}")
    require_whole(paths, rejected)


def encodable(found: Sequence[Crystal], generator: Generator) -> tuple[list[Crystal], list[Rejected]]:
    """Return the crystals that the VAE can encode, in standard primitive cells (F1) with an energy, and the others.

    It was trained for cubic AB, ABX3, ABX2 of at most 40 sites and of the elements seen in training.
    """
    standard, kept, rejected = [], [], []
    for crystal in found:
        try:
            standard.append(in_standard_cell(crystal))
        except Unusable as fault:
            rejected.append(fault.of(crystal.id))
    crystals, refused = screen(standard, require_label=False, may_be_empty=True)
    rejected += refused
    for crystal in crystals:
        unseen = sorted(set(crystal.numbers.tolist()) - set(generator.elements.tolist()))
        if unseen:
            rejected.append(Rejected(crystal.id, "unseen_element", f"Z = {unseen[0]} was never seen in training"))
        else:
            kept.append(crystal)
    if any(not math.isfinite(crystal.formation_energy_per_atom) for crystal in kept):
        kept = _with_energies(kept, generator)
    return kept, rejected


def _with_energies(crystals: Sequence[Crystal], generator: Generator) -> list[Crystal]:
    """Give crystals without a label the formation energy that the property networks predict, in eV/atom."""
    energies = [crystal.formation_energy_per_atom for crystal in crystals]
    chosen = np.where(np.isfinite(energies), energies, generator.predicted_energies(crystals))
    return [replace(one, formation_energy_per_atom=float(e)) for one, e in zip(crystals, chosen, strict=True)]


def there_and_back(
    crystals: Sequence[Crystal], generator: Generator, pool: Executor
) -> Iterator[tuple[Crystal, dict, Decoded | Undecodable]]:
    """Yield each crystal with the errors of its reconstruction and what its decoded map becomes."""
    maps, conditions = generator.maps_of(crystals), generator.conditions_of(crystals)
    found = generator.autoencoder.reconstruct(maps, conditions, [crystal.numbers for crystal in crystals])
    outcomes = generator.decoder.atoms(pool, found.decoded, generator.sampling.way)
    yield from zip(crystals, found.errors(crystals), outcomes, strict=True)


def _reconstruct(
    crystals: Sequence[Crystal], names: Sequence[str], generator: Generator, pool: Executor, out: Path
) -> list[dict]:
    """Return a row per crystal and write the CIFs of those that were decoded, with the angles that they had (F2)."""
    rows = []
    for name, (crystal, errors, outcome) in zip(names, there_and_back(crystals, generator, pool), strict=True):
        row = {"formula": crystal.formula} | errors | compare(crystal, outcome)
        row |= dict(zip(("error_a", "error_b", "error_c"), errors["lattice_error"], strict=True))
        if not isinstance(outcome, Undecodable):
            structure = to_structure(outcome, crystal.angles)
            row["decoded_formula"] = structure.composition.reduced_formula
            row["file"] = f"cifs/{file_name(name)}-{row['decoded_formula']}.cif"
            write_text(out / row["file"], cif_text(structure))
        rows.append(row)
    return rows
