"""New crystals: latent vectors, maps, atoms, checks, properties, CIFs. A stage of a run, and a tool of its own."""

import json
import math
import shutil
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pymatgen.core import Element
from tqdm import tqdm

from data_prep.conditions import one_hot
from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.graphs import crystal_graph
from data_prep.property_labels import FORMATION_ENERGY
from models.decoding.fitted_species import Candidates
from models.latent_sampler import LatentSampler
from repro.decoding.decoder import decode_all, decoder_pool
from repro.decoding.latents import decode_latent
from repro.generation.candidate_files import CandidateFiles, rank
from repro.generation.candidates import candidates
from repro.generation.draw_options import check_draws
from repro.generation.filters import filters, select
from repro.generation.generator import GENERATOR_WEIGHTS, Generator, base_crystals, load_generator, of_run
from repro.generation.targets import (
    Target,
    around,
    at_random,
    centre_of,
    condition_of,
    describe_condition,
    find_base,
    pipeline_targets,
    shares,
)
from repro.locks import making
from repro.properties.networks import predict_properties
from repro.properties.weights import CGCNN_WEIGHTS
from repro.relaxation.relax_files import relax_generated
from repro.run import Run
from repro.training.dataset import load_dataset

BATCH = 20


def generate(run: Run, options: Namespace) -> dict:
    """Sample the pipeline's targets, or what the options ask for, with the networks of a run."""
    check_draws(options)
    generator = of_run(run, options.property_weights)
    if on_demand(options):
        targets = _wanted(generator, options, run.preset.seed)
        return _generate(generator, targets, options.out or run.results / f"generate-{targets[0].name}", options)
    given = [
        name
        for name in ("formation_energy", "count", "spread", "seed", "out", "random_from", "property_weights")
        if getattr(options, name) is not None
    ]
    if given:
        raise InputError(f"--{given[0].replace('_', '-')} needs --base or --random beside it.")
    encoded = _encoded(generator, run.preset.generate.random_from)
    targets = pipeline_targets(load_dataset(run), run.preset.generate, run.preset.seed, encoded)
    return _generate(generator, targets, run.results / "generate", options)


def generate_published(options: Namespace) -> None:
    """Sample what the options ask for with the networks that come with the project."""
    check_draws(options)
    crystals = base_crystals(options.source) if options.base and not options.base.lower().endswith(".cif") else []
    generator = load_generator(
        options.weights or GENERATOR_WEIGHTS, crystals, options.property_weights or CGCNN_WEIGHTS
    )
    targets = _wanted(generator, options, 0)
    _generate(generator, targets, options.out or Path(f"generated-{targets[0].name}"), options)


def on_demand(options: Namespace) -> bool:
    """Return whether the user asks for samples of his own, beside the pipeline's."""
    return bool(options.base or options.random)


def _wanted(generator: Generator, options: Namespace, seed: int) -> list[Target]:
    """Return the targets that the command line asks for, and say what their conditions mean."""
    targets = _targets(generator, options, seed if options.seed is None else options.seed)
    for target in targets:
        print(f"{target.name}: {target.count} samples, {describe_condition(target.condition, generator.edges)}")
    return targets


def _targets(generator: Generator, options: Namespace, seed: int) -> list[Target]:
    parameters, edges = generator.parameters, generator.edges
    if options.random:
        conditions = range(generator.n_conditions)
        if options.formation_energy is not None:
            conditions = [condition_of(options.formation_energy, edges)]
        counts = shares(options.count or parameters.random_per_condition * len(conditions), len(conditions))
        encoded = _encoded(generator, options.random_from or parameters.random_from)
        spread = parameters.random_spread if options.spread is None else options.spread
        wanted = [(condition, count) for condition, count in zip(conditions, counts, strict=True) if count]
        return [at_random(condition, count, seed, encoded, spread) for condition, count in wanted]
    base = find_base(options.base, generator.crystals)
    energy = base.formation_energy_per_atom if options.formation_energy is None else options.formation_energy
    if not math.isfinite(energy):
        energy = _predicted_energy(generator, base)
        print(f"{options.base} has no formation energy: the predicted {energy:.2f} eV/atom chooses the condition.")
    spread = parameters.spread if options.spread is None else options.spread
    return [around(base, condition_of(energy, edges), options.count or parameters.samples_per_base, spread, seed)]


def _encoded(generator: Generator, random_from: str) -> LatentSampler | None:
    """Return where encoded crystals lie, or None for N(0, 1)."""
    if random_from == "normal":
        return None
    if generator.encoded is None:
        raise InputError("These networks do not tell where encoded crystals lie: add --random-from normal.")
    return generator.encoded


def _predicted_energy(generator: Generator, base: Crystal) -> float:
    """Return the formation energy per atom in eV that the property networks predict for a base without a label."""
    if FORMATION_ENERGY not in generator.networks:
        raise InputError(f"{base.id} has no formation energy: give one with --formation-energy (eV/atom).")
    found = predict_properties({FORMATION_ENERGY: generator.networks[FORMATION_ENERGY]}, [crystal_graph(base)])
    return float(found[FORMATION_ENERGY].values[0])


def _generate(generator: Generator, targets: Sequence[Target], out: Path, options: Namespace) -> dict:
    """Write CIFs as they come, then the ranked ``candidates.csv``, ``candidates.extxyz`` and ``summary.json``."""
    allowed = _allowed(generator, options.elements)
    with making(out / "parts"):
        return _write(generator, targets, allowed, out, options)


def _write(generator: Generator, targets: Sequence[Target], allowed: Candidates, out: Path, options: Namespace) -> dict:
    chosen, counts, kept, everything = filters(options), {}, [], []
    files = CandidateFiles(out)
    for batch in _batches(generator, targets, allowed, out / "parts"):
        everything += batch
        wanted = select(batch, chosen, counts)
        files.add(wanted)
        kept += wanted
    # The pipeline's own run keeps the failures in its table: they are counted by reason.
    listed = kept if on_demand(options) else everything
    files.finish(sorted(listed, key=rank))
    summary = summarise(everything) | {"filters": counts}
    write_json(out / "summary.json", summary)
    shutil.rmtree(out / "parts")
    whole = summary["all"]
    passed = ", ".join(f"{name} {count}" for name, count in counts.items())
    print(f"{whole['samples']} samples, {whole['decoded']} decoded; {passed}. Ranked in {out / 'candidates.csv'}")
    if getattr(options, "relax", False):
        relax_generated(listed, out)
    return {"samples": whole["samples"], "valid": whole["valid"]}


def _allowed(generator: Generator, symbols: str | None) -> Candidates:
    """Return the elements that an atom may be, those of the training part or the user's choice among them."""
    if not symbols:
        return generator.candidates
    wanted = [symbol.strip() for symbol in symbols.split(",") if symbol.strip()]
    unknown = [symbol for symbol in wanted if not Element.is_valid_symbol(symbol)]
    if unknown or not wanted:
        raise InputError(
            f"--elements {symbols}: {', '.join(unknown) or 'nothing'} is no element; write --elements Na,Cl."
        )
    numbers = {Element(symbol).Z for symbol in wanted}
    unseen = sorted(numbers - set(generator.elements.tolist()))
    if unseen:
        named = ", ".join(Element.from_Z(z).symbol for z in unseen)
        raise InputError(f"--elements {symbols}: the networks have never seen {named}; leave it out.")
    return generator.candidates_among(np.array(sorted(numbers)))


def _batches(generator: Generator, targets: Sequence[Target], allowed: Candidates, parts: Path) -> Iterator[list[dict]]:
    """Yield the records of all targets; finished batches are kept under ``parts`` and not drawn again."""
    total = sum(target.count for target in targets)
    species_from, voxels = generator.parameters.species_from, generator.voxels
    made_by = generator.fingerprint()
    with decoder_pool(total) as pool, tqdm(total=total, desc="generate", unit=" samples") as bar:
        for target in targets:
            centre = centre_of(target, generator.encoder, voxels.grid, voxels.radii, generator.n_conditions)
            condition = one_hot(np.array([target.condition]), generator.n_conditions)
            for start in range(0, target.count, BATCH):
                stop = min(start + BATCH, target.count)
                part = parts / f"{target.digest(allowed.numbers)}-{made_by}-{start:06d}-{stop:06d}.json"
                records = _stored(part)
                if records is None:
                    z = target.draw(start, stop, centre)
                    maps, compositions = decode_latent(generator.decoder, z, np.repeat(condition, len(z), axis=0))
                    segmented = generator.segmented(z, maps, compositions)
                    outcomes = decode_all(pool, segmented, species_from, allowed, generator.prior)
                    write_json(part, candidates(target, start, outcomes, generator, pool))
                    records = _stored(part)
                yield records
                bar.update(stop - start)


def _stored(part: Path) -> list[dict] | None:
    """Return the records of a finished batch, None where there is none that can be read: it is drawn again."""
    try:
        return json.loads(part.read_text())
    except (OSError, ValueError):  # a JSON fault is a ValueError
        return None


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
