"""The stage that generates crystals: latent vectors, maps, atoms, checks, properties, CIFs."""

import csv
import io
import json
import math
import shutil
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_prep.atomic import write_json, write_text
from data_prep.cell_angles import fit_angle_rule
from data_prep.conditions import one_hot
from data_prep.elements import RADII
from data_prep.errors import InputError
from models.gaussian_fit import candidate_elements
from repro.candidates import COLUMNS, Known, candidates
from repro.datasets import Dataset, load_dataset
from repro.decode import decode_all, decoder_pool, segment
from repro.properties.train import trained_networks
from repro.reconstruction import decode_latent
from repro.run import Run
from repro.sampling import (
    Target,
    around,
    at_random,
    centre_of,
    condition_of,
    describe_condition,
    find_base,
    pipeline_targets,
)
from repro.train_unet import trained_unet
from repro.train_vae import trained_vae

BATCH = 20


def generate(run: Run, options: Namespace) -> dict:
    """Sample the targets and write CIFs of the valid structures, ``candidates.csv`` and ``summary.json``."""
    dataset = load_dataset(run)
    targets = _targets(run, dataset, options)
    out = options.out or run.results / (f"generate-{targets[0].name}" if on_demand(options) else "generate")
    for target in targets if on_demand(options) else ():
        print(f"{target.name}: {target.count} samples, {describe_condition(target.condition, dataset.edges)}")
    records = _sample(run, dataset, targets, out / "parts")
    records.sort(key=_rank)
    _write(records, out)
    summary = summarise(records)
    write_json(out / "summary.json", summary)
    shutil.rmtree(out / "parts")
    everything = summary["all"]
    print(
        f"{everything['samples']} samples: {everything['decoded']} decoded, {everything['valid']} valid, "
        f"{everything['new_formula']} of them with a formula that is not in the data; {out / 'candidates.csv'}"
    )
    return {"samples": everything["samples"], "valid": everything["valid"]}


def on_demand(options: Namespace) -> bool:
    """Return whether the user asks for samples of his own, beside the pipeline's."""
    return bool(options.base or options.random)


def _targets(run: Run, dataset: Dataset, options: Namespace) -> list[Target]:
    parameters = run.preset.generate
    seed = run.preset.seed if options.seed is None else options.seed
    if options.count is not None and options.count < 1:
        raise InputError(f"--count {options.count} asks for no sample: give 1 or more.")
    if not on_demand(options):
        given = [
            name
            for name in ("formation_energy", "count", "spread", "seed", "out")
            if getattr(options, name) is not None
        ]
        if given:
            raise InputError(f"--{given[0].replace('_', '-')} needs --base or --random beside it.")
        return pipeline_targets(dataset, parameters, seed)
    if options.random:
        conditions = range(len(dataset.edges) + 1)
        if options.formation_energy is not None:
            conditions = [condition_of(options.formation_energy, dataset.edges)]
        share = math.ceil((options.count or parameters.random_per_condition * len(conditions)) / len(conditions))
        return [at_random(condition, share, seed) for condition in conditions]
    base = find_base(options.base, dataset.crystals)
    energy = base.formation_energy_per_atom if options.formation_energy is None else options.formation_energy
    if not math.isfinite(energy):
        raise InputError(f"{options.base} has no formation energy: give one with --formation-energy (eV/atom).")
    spread = parameters.spread if options.spread is None else options.spread
    count = options.count or parameters.samples_per_base
    return [around(base, condition_of(energy, dataset.edges), count, spread, seed)]


def _sample(run: Run, dataset: Dataset, targets: Sequence[Target], parts: Path) -> list[dict]:
    """Return the records of all targets; finished batches are kept under ``parts`` and not drawn again."""
    encoder, decoder = trained_vae(run)
    unet, networks = trained_unet(run), trained_networks(run)
    train = [dataset.crystals[index] for index in dataset.indices("train")]
    rule = fit_angle_rule(train)
    known = Known(frozenset(c.formula for c in dataset.crystals), frozenset(c.formula for c in train))
    voxels, n_conditions = run.preset.voxels, len(dataset.edges) + 1
    allowed = candidate_elements(RADII[voxels.radii](), np.unique(np.concatenate([c.numbers for c in train])))
    records = []
    total = sum(target.count for target in targets)
    with decoder_pool() as pool, tqdm(total=total, desc="generate", unit=" samples") as bar:
        for target in targets:
            centre = centre_of(target, encoder, voxels.grid, voxels.radii, n_conditions, run.preset.vae.latent)
            condition = one_hot(np.array([target.condition]), n_conditions)
            for start in range(0, target.count, BATCH):
                stop = min(start + BATCH, target.count)
                part = parts / f"{target.digest()}-{start:06d}-{stop:06d}.json"
                if not part.exists():
                    z = target.draw(start, stop, centre)
                    maps, compositions = decode_latent(decoder, z, np.repeat(condition, len(z), axis=0))
                    segmented, _ = segment(unet, maps, compositions)
                    outcomes = decode_all(pool, segmented, run.preset.generate.species_from, allowed)
                    write_json(part, candidates(target, start, outcomes, rule, known, networks))
                records += json.loads(part.read_text())
                bar.update(stop - start)
    return records


def _rank(record: dict) -> tuple:
    """Sort key: valid compounds first, then the stoichiometry asked for, then the lowest formation energy.

    A crystal of one element stands below the compounds: its formation energy is zero by definition,
    whatever the network says.
    """
    energy = record.get("formation_energy_per_atom")
    element, other = record.get("n_elements") == 1, not record.get("same_stoichiometry")
    return not record["valid"], element, other, energy is None, energy or 0.0, record["id"]


def _write(records: Sequence[dict], out: Path) -> None:
    """Write the CIFs and the table; earlier CIFs of the same folder are removed."""
    shutil.rmtree(out / "cifs", ignore_errors=True)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for place, record in enumerate(records, start=1):
        if record["cif"]:
            record["file"] = f"cifs/{place:05d}-{record['formula']}.cif"
            write_text(out / record["file"], record["cif"])
        writer.writerow({name: f"{value:.5g}" if isinstance(value, float) else value for name, value in record.items()})
    write_text(out / "candidates.csv", text.getvalue())


def summarise(records: Sequence[dict]) -> dict:
    """Return counts and shares of all samples, of those around bases and of the random ones."""
    groups = {
        "all": records,
        "around a base": [record for record in records if record["base"]],
        "random": [record for record in records if not record["base"]],
    }
    return {name: _group(members) for name, members in groups.items() if members}


def _group(records: Sequence[dict]) -> dict:
    decoded = [record for record in records if "formula" in record]
    valid = [record for record in records if record["valid"]]
    energies = [r["formation_energy_per_atom"] for r in valid if r.get("formation_energy_per_atom") is not None]
    return {
        "samples": len(records),
        "decoded": len(decoded),
        "valid": len(valid),
        "valid_share": len(valid) / len(records),
        "same_stoichiometry": sum(record["same_stoichiometry"] for record in valid),
        "new_formula": sum(not record["known_formula"] for record in valid),
        "distinct_formulas": len({record["formula"] for record in valid}),
        "negative_formation_energy": sum(energy < 0 for energy in energies),
        "reasons": dict(Counter(record["reason"] for record in records if record.get("reason"))),
    }
