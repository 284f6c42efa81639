"""Write the table of the convex hull of a source: ``python -m data_prep.hull SOURCE [--out FOLDER]``."""

import argparse
import time
from pathlib import Path

from data_prep.errors import InputError
from data_prep.exits import stopping
from data_prep.files.generated_part import write_generated
from data_prep.hull import CARD, FOLDER
from data_prep.hull.known_phases import known_phases
from data_prep.hull.table import MANIFEST, SYSTEMS, VERTICES, load_hull, vertices, write_hull
from data_prep.source_names import source_name
from data_prep.sources.downloads import today

GENERATION = "the Materials Project before its corrections of 2021"
LICENCE = "CC-BY-4.0, Materials Project (Jain et al., APL Materials 1, 011002, 2013)"


def main(arguments: list[str] | None = None) -> None:
    """Write the table; leave with exit code 2 and a sentence if a user's mistake, a file or an interrupt stops it."""
    options = _parse(arguments)
    with stopping("python -m data_prep.hull", after="start it again"):
        build(options.source, options.generation, options.out)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m data_prep.hull", description=__doc__)
    parser.add_argument("source", help="table of crystals of every kind, or another source of 'python -m repro'")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the table (default: the packaged one)")
    parser.add_argument(
        "--generation",
        default=GENERATION,
        help=f"what the energies are; they are compared with the packaged table's if left at '{GENERATION}'",
    )
    return parser.parse_args(arguments)


def build(source: str, generation: str, out: Path) -> None:
    """Write the hull of a source's energies into ``out``; for the packaged one its card too.

    Raises InputError as ``known_phases`` does, or if the packaged table would get another generation.
    """
    packaged = out.resolve() == FOLDER
    if packaged and generation != GENERATION:
        raise InputError(f"--generation {generation!r} needs --out: the packaged table is of {GENERATION}.")
    known = load_hull() if generation == GENERATION and (FOLDER / MANIFEST).is_file() else None
    started = time.monotonic()
    phases = known_phases(source, generation, known)
    print(f"{len(phases.phases)} compositions; looking for the stable ones", flush=True)
    stable = vertices(phases.phases)
    facts = {
        "label_generation": generation,
        "source": source_name(source),
        "date": today(),
        "licence": LICENCE if generation == GENERATION else "that of the source",
    }
    manifest = write_hull(out, phases, stable, facts)
    if packaged:
        write_generated(CARD, _generated(manifest, out))
    print(f"{len(stable)} of them are stable, {manifest['systems']} systems, {time.monotonic() - started:.0f} s; {out}")


def _generated(manifest: dict, folder: Path) -> str:
    """Return the counts and checksums of the packaged table as Markdown."""
    sizes = {name: (folder / name).stat().st_size / 1000 for name in (VERTICES, SYSTEMS)}
    lines = [
        "| | |\n|---|---|",
        f"| source | `{manifest['source']}`, {manifest['compositions']:,} compositions at their lowest energy |",
        f"| label generation | {manifest['label_generation']} |",
        f"| written | {manifest['date']} |",
        f"| vertices | {manifest['vertices']:,}, {manifest['elements']} of them elements |",
        f"| chemical systems covered | {manifest['systems']:,} |",
        f"| left out as wrong | {', '.join(manifest['doubted']) or 'none'} |",
        *(f"| `{name}` | {sizes[name]:.0f} kB, sha256 `{sha256}` |" for name, sha256 in manifest["sha256"].items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
