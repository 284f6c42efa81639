"""python -m repro relax: the crystals of a folder relaxed, their energies, and what changed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pymatgen.core import Structure

from data_prep.atomic import write_csv
from data_prep.errors import InputError
from data_prep.sources.structure_files import read_structures
from repro.calculations.options import add_options, calculator_of
from repro.calculations.store import CONVERGED
from repro.matching import structure_of

if TYPE_CHECKING:
    from repro.calculations.references import Calculator

TABLE, CIFS = "relaxed.csv", "relaxed"


def relax_files(options: argparse.Namespace) -> None:
    """Relax what ``options.path`` holds into ``options.out``; raises InputError where nothing can be."""
    crystals, rejected = read_structures(options.path)
    for item in rejected:
        detail = item.detail.removeprefix(f"{item.id}: ")
        print(f"{item.id}: left out, {item.reason.replace('_', ' ')}: {detail}", file=sys.stderr)
    if not crystals:
        raise InputError(f"{options.path}: no structure can be read; see above.")
    inside = options.path if options.path.is_dir() else options.path.parent
    found = relax_structures(
        {crystal.id.removesuffix(".cif"): crystal.structure() for crystal in crystals},
        calculator_of(options),
        options.out or inside.with_name(inside.name + "-relaxed"),
    )
    if all(row["status"] != CONVERGED for row in found):
        raise InputError(f"{options.path}: nothing could be relaxed; see above.")


def relax_generated(records: Sequence[dict], out: Path) -> list[dict]:
    """Relax generated candidates (``id`` and ``cif``) with the surrogate into ``out``, as the command does."""
    crystals = {record["id"]: structure_of(record["cif"], primitive=True) for record in records if record["cif"]}
    if not crystals:
        print("No candidate is left to relax.")
        return []
    parser = argparse.ArgumentParser()
    add_options(parser)
    return relax_structures(crystals, calculator_of(parser.parse_args([])), out)


def relax_structures(structures: Mapping[str, Structure], calculator: Calculator, out: Path) -> list[dict]:
    """Relax structures by name and write ``relaxed.csv`` and the CIFs into ``out``; finished ones are not repeated."""
    from repro.calculations.changes import COLUMNS, rows, write_cifs

    records, elements = calculator.with_elements(structures)
    found = rows(structures, records, elements)
    write_cifs(found, records, out / CIFS)
    write_csv(out / TABLE, list(found.values()), COLUMNS)
    done = sum(row["status"] == CONVERGED for row in found.values())
    for row in found.values():
        if row["status"] != CONVERGED:
            print(f"{row['id']}: {row['status']}: {row['reason']}", file=sys.stderr)
    print(f"{done} of {len(found)} relaxed; {out / TABLE}")
    return list(found.values())
