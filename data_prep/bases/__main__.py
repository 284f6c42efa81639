"""Write the table of base compounds from a source: ``python -m data_prep.bases SOURCE [--out FILE]``."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from data_prep.bases import CARD, TABLE
from data_prep.crystal import FAMILIES, Crystal
from data_prep.exits import stopping
from data_prep.files.atomic import csv_text, write_gzip
from data_prep.files.checksum import file_sha256
from data_prep.files.generated_part import write_generated
from data_prep.quarantine import screen
from data_prep.source_names import source_name
from data_prep.sources import read_source

DIGITS = 6  # of lengths in Å, of angles in degrees and of fractional coordinates


def main(arguments: list[str] | None = None) -> None:
    """Write the table; leave with exit code 2 and a sentence if a user's mistake, a file or an interrupt stops it."""
    parser = argparse.ArgumentParser(prog="python -m data_prep.bases", description=__doc__)
    parser.add_argument("source", help="the source that the generator was trained on")
    parser.add_argument("--out", type=Path, default=TABLE, help="table to write (default: the packaged one)")
    options = parser.parse_args(arguments)
    with stopping("python -m data_prep.bases", after="start it again"):
        build(options.source, options.out)


def build(source: str, out: Path) -> None:
    """Write the labelled cubic crystals of a source that a generator is trained on; the packaged table's card too.

    Raises InputError as ``read_source`` does, or if none is left.
    """
    crystals = screen(read_source(source)[0])[0]
    write_gzip(out, csv_text([row(crystal) for crystal in crystals]))
    if out.resolve() == TABLE:
        write_generated(CARD, _generated(crystals, source))
    print(f"{len(crystals)} crystals, {out.stat().st_size / 1000:.0f} kB; {out}")


def row(crystal: Crystal) -> dict[str, str]:
    """Return a crystal as a row that ``sources.table.read_table`` reads."""
    cell = dict(zip(("a", "b", "c"), crystal.lengths, strict=True))
    cell |= dict(zip(("alpha", "beta", "gamma"), crystal.angles, strict=True))
    return {
        "mp_id": crystal.id,
        "formula": crystal.formula,
        "spacegroup": f"{crystal.properties['spacegroup']:.0f}",
        **{name: _short(value) for name, value in cell.items()},
        "species": " ".join(site.specie.symbol for site in crystal.structure()),
        "frac": " ".join(map(_short, crystal.fractional.ravel())),
        "formation_energy_per_atom": _short(crystal.formation_energy_per_atom),
    }


def _short(value: float) -> str:
    """Return a number to ``DIGITS`` decimals, without zeros at its end."""
    return f"{value:.{DIGITS}f}".rstrip("0").rstrip(".")


def _generated(crystals: Sequence[Crystal], source: str) -> str:
    """Return the counts and the checksum of the packaged table as Markdown."""
    families = Counter(crystal.family for crystal in crystals)
    lines = [
        "| | |\n|---|---|",
        f"| source | `{source_name(source)}` |",
        f"| crystals | {len(crystals):,}: {', '.join(f'{name} {families[name]:,}' for name in FAMILIES)} |",
        f"| formulas | {len({crystal.formula for crystal in crystals}):,} |",
        f"| `{TABLE.name}` | {TABLE.stat().st_size / 1000:.0f} kB, sha256 `{file_sha256(TABLE)}` |",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
