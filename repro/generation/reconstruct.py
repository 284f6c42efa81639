"""python -m repro reconstruct: your own crystals through the VAE and back to atoms, and how far each comes out off."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_prep.conditions import condition_bins, one_hot
from data_prep.crystal import Crystal, crystal_from_structure, file_name
from data_prep.elements import RADII
from data_prep.errors import InputError
from data_prep.files.atomic import write_csv, write_text
from data_prep.graphs import crystal_graph
from data_prep.property_labels import FORMATION_ENERGY
from data_prep.quarantine import Rejected, Unusable, print_rejected, screen
from data_prep.sources.cells import in_cell
from data_prep.sources.structure_files import read_structures
from data_prep.structures.cif import cif_text
from data_prep.voxelize import voxelize
from models.decoding.atoms import Undecodable, to_structure
from repro.decoding.decoder import batches, decode_all, decoder_pool
from repro.decoding.latents import reconstruct, reconstruction_errors
from repro.evaluation.evaluate import compare
from repro.generation.generator import GENERATOR_WEIGHTS, MAX_BASE_SITES, Generator, load_generator
from repro.properties.networks import predict_properties
from repro.training.feeds import input_maps

BATCH = 20
COLUMNS = (
    "id", "formula", "decoded_formula", "exact", "species_right", "delta_n", "emd", "error_a", "error_b", "error_c",
    "mse", "density_mse", "kld", "file", "reason",
)  # fmt: skip


def reconstruct_files(options: argparse.Namespace) -> None:
    """Encode and decode what ``options.path`` holds, into CIFs and ``reconstruction.csv`` of ``options.out``.

    Raises InputError when nothing of it can be encoded.
    """
    found, rejected = read_structures(options.path)
    generator = load_generator(options.weights or GENERATOR_WEIGHTS, [])
    crystals, refused = encodable(found, generator)
    print_rejected(rejected + refused)
    if not crystals:
        raise InputError(
            f"{options.path}: nothing can be encoded, see above; give cubic AB, ABX3 or ABX2 of at most "
            f"{MAX_BASE_SITES} sites."
        )
    out = options.out or Path(f"reconstructed-{Path(options.path).name.split('.')[0]}")
    rows = []
    with decoder_pool(len(crystals)) as pool, tqdm(total=len(crystals), desc="reconstruct", unit=" structures") as bar:
        for part in batches(np.arange(len(crystals)), BATCH):
            rows += _reconstruct([crystals[index] for index in part], generator, pool, out)
            bar.update(len(part))
    write_csv(out / "reconstruction.csv", rows, COLUMNS)
    exact = sum(row.get("exact") is True for row in rows)
    print(f"{len(rows)} structures, {exact} come back entirely right; {out / 'reconstruction.csv'}")


def encodable(found: Sequence[Crystal], generator: Generator) -> tuple[list[Crystal], list[Rejected]]:
    """Return the primitive cells (F1) of those that the VAE was trained for, with a formation energy, and the others.

    It was trained for cubic AB, ABX3, ABX2 of at most 40 sites and of the elements seen in training.
    """
    primitive, kept, rejected = [], [], []
    for crystal in found:
        try:
            primitive.append(_primitive(crystal))
        except Unusable as fault:
            rejected.append(fault.of(crystal.id))
    crystals, refused = screen(primitive, max_sites=MAX_BASE_SITES, require_label=False, may_be_empty=True)
    rejected += refused
    for crystal in crystals:
        unseen = sorted(set(crystal.numbers.tolist()) - set(generator.elements.tolist()))
        if unseen:
            rejected.append(Rejected(crystal.id, "unseen_element", f"Z = {unseen[0]} was never seen in training"))
        else:
            kept.append(crystal)
    unlabelled = [crystal for crystal in kept if not math.isfinite(crystal.formation_energy_per_atom)]
    return (_with_energies(kept, generator) if unlabelled else kept), rejected


def _primitive(crystal: Crystal) -> Crystal:
    structure, _ = in_cell(crystal.structure(), "primitive")
    return crystal_from_structure(structure, crystal.id, crystal.formation_energy_per_atom)


def _with_energies(crystals: Sequence[Crystal], generator: Generator) -> list[Crystal]:
    """Give crystals without a label the formation energy that the property networks predict, in eV/atom."""
    networks = {FORMATION_ENERGY: generator.networks[FORMATION_ENERGY]}
    predicted = predict_properties(networks, [crystal_graph(crystal) for crystal in crystals])[FORMATION_ENERGY].values
    energies = [crystal.formation_energy_per_atom for crystal in crystals]
    chosen = np.where(np.isfinite(energies), energies, predicted)
    return [replace(one, formation_energy_per_atom=float(e)) for one, e in zip(crystals, chosen, strict=True)]


def _reconstruct(crystals: Sequence[Crystal], generator: Generator, pool, out: Path) -> list[dict]:
    """Return a row per crystal and write the CIFs of those that were decoded, with the angles that they had (F2)."""
    voxels = generator.voxels
    radii = RADII[voxels.radii]()
    densities = [voxelize(one.numbers, one.fractional, one.lengths, radii, voxels.grid)[0] for one in crystals]
    maps = np.stack([input_maps(density, one.lengths) for density, one in zip(densities, crystals, strict=True)])
    energies = np.array([crystal.formation_energy_per_atom for crystal in crystals])
    condition = one_hot(condition_bins(energies, generator.edges), generator.n_conditions)
    vae = generator.encoder, generator.decoder
    found = reconstruct(vae, maps, condition, [crystal.numbers for crystal in crystals])
    segmented = generator.segmented(found.z_mean, found.maps, found.composition)
    species_from = generator.parameters.species_from
    outcomes = list(decode_all(pool, segmented, species_from, generator.candidates, generator.prior))
    rows = []
    for crystal, errors, outcome in zip(crystals, reconstruction_errors(crystals, found), outcomes, strict=True):
        row = {"formula": crystal.formula} | errors | compare(crystal, outcome)
        row |= dict(zip(("error_a", "error_b", "error_c"), errors["lattice_error"], strict=True))
        if not isinstance(outcome, Undecodable):
            structure = to_structure(outcome, crystal.angles)
            row["decoded_formula"] = structure.composition.reduced_formula
            row["file"] = f"cifs/{file_name(crystal.id)}-{row['decoded_formula']}.cif"
            write_text(out / row["file"], cif_text(structure))
        rows.append({name: f"{value:.4g}" if isinstance(value, float) else value for name, value in row.items()})
    return rows
