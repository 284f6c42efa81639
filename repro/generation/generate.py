"""New crystals: the stage ``generate``, and what ``python -m repro generate`` writes when a user asks for samples."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.files.atomic import write_json
from data_prep.structures.cif import structure_of
from models.decoding.species import AllowedElements
from repro.generation.bases import base_crystals, is_file
from repro.generation.candidate_files import TABLE, CandidateFiles, refuse_others
from repro.generation.candidates import Candidate
from repro.generation.funnel import Filters, Funnel
from repro.generation.generator import Generator
from repro.generation.generator_folder import load_generator
from repro.generation.request import Request
from repro.generation.targets import Target, pipeline_targets, requested_targets, sampler_for
from repro.locks import making
from repro.properties.stability import NEAR
from repro.relaxation.relax_files import relax_generated
from repro.run import Run
from repro.stages import PARTS
from repro.training.dataset import load_dataset

if TYPE_CHECKING:
    from repro.relaxation.calculator import Calculator


def generate(run: Run) -> dict:
    """Sample the pipeline's targets with the networks of a run, and write every sample, decoded or not."""
    dataset = load_dataset(run)
    generator = load_generator(run.folder("generator"), run.property_networks, dataset.crystals)
    parameters = run.preset.generate
    sampler = sampler_for(generator, parameters.random_from)
    targets = pipeline_targets(dataset, parameters, run.preset.seed, sampler)
    everything = write_candidates(generator, targets, generator.allowed(), run.results / "generate")[0]
    return {"samples": len(everything), "valid": sum(candidate.valid for candidate in everything)}


def generate_published(
    request: Request,
    weights: Path,
    property_weights: Path,
    source: str,
    out: Path | None = None,
    calculator: Calculator | None = None,
) -> None:
    """Sample what a user asks for with published networks; a base is a crystal of ``source`` or a file.

    A ``calculator`` relaxes what is listed.
    """
    crystals = base_crystals(source) if request.base and not is_file(request.base) else []
    generator = load_generator(weights, property_weights)
    targets = requested_targets(generator, request, crystals)
    _write_wanted(generator, targets, request, out or Path(f"generated-{targets[0].name}"), calculator)


def generate_of_run(
    request: Request,
    run: Run,
    property_weights: Path | None,
    out: Path | None = None,
    calculator: Calculator | None = None,
) -> None:
    """Sample what a user asks for with the networks of a finished run; a base is one of its crystals or a file.

    A ``calculator`` relaxes what is listed.
    """
    crystals = load_dataset(run).crystals
    generator = load_generator(run.folder("generator"), property_weights or run.property_networks, crystals)
    targets = requested_targets(generator, request, crystals)
    _write_wanted(generator, targets, request, out or run.results / f"generate-{targets[0].name}", calculator)


def _write_wanted(
    generator: Generator, targets: Sequence[Target], request: Request, out: Path, calculator: Calculator | None
) -> None:
    """Write the candidates that pass the request's filters; relax them too if there is a calculator."""
    most = " at most" if request.count else ""
    for target in targets:
        print(f"{target.name}: {target.count} samples{most}, {generator.describe_condition(target.condition)}")
    funnel = Funnel(request.listed, request.count)
    _, listed = write_candidates(generator, targets, generator.allowed(request.elements), out, funnel)
    if request.count and len(listed) < request.count:
        print(
            f"Only {len(listed)} of {request.count} were found in {funnel.samples:,} samples: these are kept. "
            "Try another seed, a larger --distance, or fewer filters."
        )
    if calculator:
        relax_generated({one.id: structure_of(one.cif, primitive=True) for one in listed}, calculator, out)


def write_candidates(
    generator: Generator,
    targets: Sequence[Target],
    allowed: AllowedElements,
    out: Path,
    funnel: Funnel | None = None,
) -> tuple[list[Candidate], list[Candidate]]:
    """Write CIFs as they come, then the ranked ``candidates.csv``, ``candidates.extxyz`` and ``summary.json``.

    Without a ``funnel`` the table lists every sample: failures are counted by their reasons. Returns all candidates,
    and those that were listed.
    """
    refuse_others(out)
    counted = funnel or Funnel(Filters())
    everything, passed = [], []
    batches = generator.sample(targets, allowed, out / PARTS, progress=True)
    with making(out / PARTS):
        files = CandidateFiles(out)
        for batch, wanted in counted.pour(batches):
            wanted = files.add(wanted)
            passed += wanted
            named = {candidate.id: candidate for candidate in wanted}
            everything += [named.get(candidate.id, candidate) for candidate in batch]
        listed = everything if funnel is None else passed
        files.finish(listed)
        summary = summarise(everything) | {"filters": counted.counts, "listed": len(listed)}
        write_json(out / "summary.json", summary)
        shutil.rmtree(out / PARTS)
    whole, kept = summary["all"], ", ".join(f"{name} {count}" for name, count in counted.counts.items())
    print(f"{whole['samples']} samples, {whole['decoded']} decoded; {kept}; {len(listed)} ranked in {out / TABLE}")
    return everything, listed


def summarise(candidates: Sequence[Candidate]) -> dict:
    """Return counts and shares of all samples, of those around bases and of the random ones.

    ``near_hull`` counts the valid ones that are predicted at most ``NEAR`` eV/atom above the hull.
    """
    groups = {
        "all": candidates,
        "around a base": [one for one in candidates if one.base and one.sampling != "neighbours"],
        "neighbours of a base": [one for one in candidates if one.sampling == "neighbours"],
        "random": [candidate for candidate in candidates if not candidate.base],
    }
    return {name: _group(members) for name, members in groups.items() if members}


def _group(candidates: Sequence[Candidate]) -> dict:
    valid = [candidate for candidate in candidates if candidate.valid]
    energies = [one.formation_energy_per_atom for one in valid if one.formation_energy_per_atom is not None]
    above_hull = [one.stability["e_above_hull"] for one in valid if one.stability.get("e_above_hull") is not None]
    return {
        "samples": len(candidates),
        "decoded": sum(candidate.formula is not None for candidate in candidates),
        "valid": len(valid),
        "valid_share": len(valid) / len(candidates),
        "same_stoichiometry": sum(bool(candidate.same_stoichiometry) for candidate in valid),
        "new_formula": sum(not candidate.known_formula for candidate in valid),
        "distinct_formulas": len({candidate.formula for candidate in valid}),
        "negative_formation_energy": sum(energy < 0 for energy in energies),
        "near_hull": sum(above <= NEAR for above in above_hull),
        "reasons": dict(Counter(candidate.reason for candidate in candidates if candidate.reason)),
    }
