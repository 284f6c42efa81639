"""Headline numbers over seeds: of sampling one generator, of training property networks, of training the VAE.

Which kind of seed a number is over stands in its table's caption, since the two say different things: several
samplings of one training show how much a count of samples leaves to chance, several trainings how much the weights do.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from data_prep.errors import InputError
from data_prep.files.checksum import file_sha256
from data_prep.files.json_files import read_json
from data_prep.property_labels import PROPERTIES
from experiments import table5
from experiments.means import over_seeds
from experiments.seed_runs import EVALUATION, measure
from experiments.stored import refuse_stale
from experiments.table1 import SUMMARY
from experiments.tables import markdown, spread_cell, write_table
from repro.generation.generate import summarise
from repro.generation.generator import Generator
from repro.generation.generator_folder import load_generator
from repro.generation.request import Request
from repro.generation.targets import Target, pipeline_targets, requested_targets
from repro.network_folders import GENERATOR, MANIFEST, PROPERTY_NETWORKS, read_manifest
from repro.properties.stability import NEAR
from repro.run import PUBLISHED, Run
from repro.stages import PARTS, STAGES
from repro.training.dataset import load_dataset

SAMPLES, AROUND, SEEDS = 300, 25, 3  # random samples and samples around each base, for each seed
HEADER = ("quantity", "mean ± standard deviation", "seeds")
NOTE = "±: sample standard deviation over the seeds. The values of each seed are in seeds.json."
_SHARES = {  # as shown, and the counts of ``summarise`` that it is the share of
    "valid, of the samples": ("valid", "samples"),
    "formula not in the data, of the valid": ("new_formula", "valid"),
    "distinct formulas, of the valid": ("distinct_formulas", "valid"),
    f"predicted within {NEAR} eV/atom of the hull, of the valid": ("near_hull", "valid"),
}
_MISSING = {
    "sampling": "Sampling: not measured (--samples 0 --around 0).",
    "properties": "Property networks: this run has none of its own that were measured (the stage evaluate-properties).",
    "evaluation": "VAE and UNet: this run has no Table 5 (make table5 SEEDS=3).",
}


@dataclass(frozen=True)
class Sampled:
    """What was sampled: from which generator and what it was trained on, how much, and for each seed the counts.

    ``counts`` has by seed what ``repro.generation.generate.summarise`` gives.
    """

    generator: str
    source: str
    trained_on: int | None
    samples: int
    around: int
    bases: int
    counts: dict[int, dict]


def from_run(
    run: Run, seeds: int = SEEDS, samples: int = SAMPLES, around: int = AROUND, generator: Path | None = None,
    train: int = 1,
) -> dict:  # fmt: skip
    """Sample with ``seeds`` seeds and bring ``train`` trainings of the property networks, and return the three parts.

    ``generator`` is a folder; the default is the run's, or the one that comes with the project if the run has none.
    Of each seed ``samples`` are random and ``around`` lie around each base of the stage ``generate``. Finished batches
    are kept in the run's folder, so that a killed command goes on. What the run has no result of is taken from what
    was published if it ranks by the published networks. ``made_from`` has what of the run they were made from. Raises
    InputError for a number that asks for nothing, and if that was made with other data or networks than the run has.
    """
    least = {"seeds": (seeds, 1), "samples": (samples, 0), "around": (around, 0), "train": (train, 1)}
    for name, (number, fewest) in least.items():
        if number < fewest:
            raise InputError(f"--{name} {number} asks for nothing: give {fewest} or more.")
    sampled, made_from = None, _present(run)
    if generator or not (samples or around):
        made_from.pop("generator", None)
    for stage in made_from.keys() & STAGES.keys():
        refuse_stale(stage, run)
    if samples or around:
        sampled = _sample(run, generator, range(seeds), samples, around)
    found = compute(sampled, measure(run, train), _json(run.results / "table5.json"))
    if run.preset.generate.networks == "published":
        found = _published() | found
    return found | {"missing": [name for name in _MISSING if name not in found], "made_from": made_from}


def _present(run: Run) -> dict[str, str]:
    """Return the checksums of what of the run numbers over seeds are made from, as far as it is there."""
    results = {EVALUATION: run.results / SUMMARY, "table5": run.results / "table5.json"}
    files = {"generator": run.folder("generator") / MANIFEST} | results
    return {name: file_sha256(path) for name, path in files.items() if path.exists()}


def outdated(found: dict, run: Run) -> bool:
    """Return whether ``from_run`` gave this of another generator, other errors or another Table 5 than the run has.

    What is gone by now, or was not stored by an earlier version, is not compared.
    """
    present = _present(run)
    return any(present.get(name, sha256) != sha256 for name, sha256 in found.get("made_from", {}).items())


def _published() -> dict:
    """Return the parts that were published; those of Table 5 from the table itself."""
    stored = _json(PUBLISHED / "seeds.json")
    ablations = compute(None, [], _json(PUBLISHED / "table5.json"))
    return {name: stored[name] for name in _MISSING if name in stored} | ablations


def _json(path: Path) -> dict:
    return read_json(path, "run its command") if path.exists() else {}


def _sample(run: Run, folder: Path | None, seeds: Sequence[int], samples: int, around: int) -> Sampled:
    own = run.folder("generator")
    folder = folder or (own if (own / MANIFEST).exists() else GENERATOR)
    networks = run.property_networks if (run.property_networks / MANIFEST).exists() else PROPERTY_NETWORKS
    generator, manifest, counts = load_generator(folder, networks), read_manifest(folder), {}
    bases = _bases(run, generator) if around else []
    for place, seed in enumerate(seeds, start=1):
        print(f"seeds: sampling {place} of {len(seeds)}, {folder}", flush=True)
        targets = [replace(base, count=around, seed=seed) for base in bases]
        if samples:
            targets += requested_targets(generator, Request(samples=samples, seed=seed), [])
        made = generator.sample(targets, generator.allowed(), run.folder("seeds") / PARTS, progress=True)
        counts[seed] = summarise([candidate for batch in made for candidate in batch])
    crystals = {target.base.id for target in bases}
    facts = manifest["preset"], manifest["source"], manifest.get("training_crystals")
    return Sampled(*facts, samples, around, len(crystals), counts)


def _bases(run: Run, generator: Generator) -> list[Target]:
    """Return the targets around bases that the stage ``generate`` has, the same ones whatever the seed of a sample."""
    if not run.folder("data").exists():
        raise InputError(
            f"{run.folder('data')} has no bases: run the stage 'data' first, or leave these out with --around 0."
        )
    targets = pipeline_targets(load_dataset(run), generator.sampling, run.preset.seed)
    return [target for target in targets if target.base is not None]


def compute(sampled: Sampled | None, properties: Sequence[dict], ablations: dict) -> dict:
    """Return ``sampling``, ``properties`` and ``evaluation``, each if there is anything to compute it from.

    ``properties`` has ``properties.json`` of each training, ``ablations`` Table 5. A part has its ``caption``, which
    says what its seeds are seeds of, and ``rows``: ``quantity``, ``digits`` to show, and what ``over_seeds`` gives.
    """
    parts = {
        "sampling": sampled and _of_sampling(sampled),
        "properties": properties and _of_properties(properties),
        "evaluation": ablations and _of_ablations(ablations),
    }
    return {name: part for name, part in parts.items() if part} | {"note": NOTE}


def _of_sampling(sampled: Sampled) -> dict:
    rows = []
    for group in ("random", "around a base", "neighbours of a base"):
        counts = [one[group] for one in sampled.counts.values() if group in one]
        for quantity, (part, whole) in _SHARES.items() if counts else ():
            shares = [100 * one[part] / one[whole] if one[whole] else None for one in counts]
            rows.append({"quantity": f"{group}: {quantity} (%)", "digits": 1} | over_seeds(shares))
    trained = f"{sampled.trained_on:,} structures of " if sampled.trained_on else ""
    drawn = [f"{sampled.samples:,} random samples"] if sampled.samples else []
    drawn += [f"{sampled.around:,} for each of {sampled.bases} bases and way of sampling"] if sampled.around else []
    caption = (
        f"{_times(len(sampled.counts), 'sampling')} of one training: generator {sampled.generator}, trained on "
        f"{trained}{sampled.source}; {' and '.join(drawn)} with each seed"
    )
    return {"caption": caption, "rows": rows} | asdict(sampled)


def _of_properties(measured: Sequence[dict]) -> dict:
    rows = []
    for first in measured[0]["rows"]:
        others = [row for one in measured[1:] for row in one["rows"] if row["property"] == first["property"]]
        values = [*first.get("each_mae", [first["mae"]]), *(row["mae"] for row in others)]
        title = PROPERTIES[first["property"]].title
        quantity = f"{title}, MAE ({first['unit']})" if first["unit"] else f"{title}, MAE"
        rows.append({"quantity": quantity, "digits": 4, "property": first["property"]} | over_seeds(values))
    most = max(len(row["values"]) for row in rows)
    caption = (
        f"Up to {_times(most, 'training').lower()} of the property networks on one split, in each run from one network "
        f"of the formation energy: preset {measured[0]['preset']} on {measured[0]['source']}, held-out crystals"
    )
    return {"caption": caption, "rows": rows, "preset": measured[0]["preset"], "source": measured[0]["source"]}


def _of_ablations(table: dict) -> dict:
    paper = table["rows"][-1]
    names = {metric: (f"{title}, {paper['system']}", digits) for metric, (title, digits) in table5.METRICS.items()}
    rows = [{"quantity": quantity, "digits": digits} | over_seeds(paper[metric]["values"])
            for metric, (quantity, digits) in names.items()]  # fmt: skip
    caption = (
        f"{_times(len(paper['seeds']), 'training')} of UNet and VAE, each with a split of its own (Table 5): "
        f"{table5.trained_on(table)}, held-out crystals"
    )
    return {"caption": caption, "rows": rows, "preset": table["preset"], "source": table["source"]}


def _times(count: int, what: str) -> str:
    return f"{('One', 'Two', 'Three')[count - 1] if count <= 3 else count} {what}{'s' * (count > 1)}"


def parts(found: dict) -> list[dict]:
    """Return the parts that were measured, in their order."""
    return [found[name] for name in _MISSING if name in found]


def cells(part: dict) -> list[tuple[str, ...]]:
    """Return the rows of a part as text, under ``HEADER``."""
    counts = (sum(value is not None for value in row["values"]) for row in part["rows"])
    return [(row["quantity"], spread_cell(row, row["digits"]), str(count))
            for row, count in zip(part["rows"], counts, strict=True)]  # fmt: skip


def statements(found: dict) -> list[str]:
    """Return a sentence for each part that was not measured, and what ± is."""
    return [*(_MISSING[name] for name in found["missing"]), found["note"]]


def text(found: dict) -> str:
    """Return each part's caption and table in Markdown, and what was not measured."""
    tables = (f"{part['caption']}.\n\n{markdown(HEADER, cells(part))}" for part in parts(found))
    return "\n\n".join([*tables, *statements(found)])


def render(found: dict, path: Path) -> list[Path]:
    """Write ``path``.json and .md; ``path`` has no suffix."""
    return write_table(path, found, text(found))
