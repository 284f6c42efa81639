"""Compute the embedded data set: ``python -m data_prep.embedded [--out FILE] [--limit N]``."""

import argparse
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data_prep.embedded import CARD, TABLE
from data_prep.embedded.chgnet_model import EnergyFunction, energy_function, load_model, relax_element, versions
from data_prep.embedded.compounds import Compound, enumerate_compounds
from data_prep.embedded.data_card import check_compounds, checks_table, summary
from data_prep.embedded.elemental_structures import elemental_structure, is_molecule
from data_prep.embedded.equation_of_state import DEFAULT_SEARCH, Fit, Minimum, SearchSettings
from data_prep.embedded.relax_compounds import formation_energy, record, refusal, relax_compounds
from data_prep.errors import InputError
from data_prep.exits import stopping
from data_prep.files.atomic import csv_text, write_gzip
from data_prep.files.generated_part import write_generated
from data_prep.files.journal import Journal

CHUNK = 32  # compounds that share forward passes, and are lost together if the run is killed


def main(arguments: list[str] | None = None) -> None:
    """Write the table; leave with exit code 2 and a sentence if a user's mistake, a file or an interrupt stops it."""
    options = _parse(arguments)
    with stopping("python -m data_prep.embedded"):
        _run(options)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m data_prep.embedded", description=__doc__)
    parser.add_argument("--out", type=Path, default=TABLE, help="table to write (default: the packaged one)")
    parser.add_argument("--limit", type=int, help="only the first N compounds; needs --out")
    parser.add_argument("--journal", type=Path, default=Path("runs/embedded-data/journal.jsonl"))
    parser.add_argument("--threads", type=int, default=1, help="CPU threads for the forward passes")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> None:
    whole = options.out.resolve() == TABLE.resolve()  # however its path is written
    if options.limit is not None and whole:
        raise InputError("--limit needs --out: a part of the table must not replace the whole one.")
    model = load_model(options.threads)
    compounds = enumerate_compounds()[: options.limit]
    settings, used = DEFAULT_SEARCH, versions(model)
    journal = Journal(options.journal, {"settings": asdict(settings), "versions": used})
    started = time.process_time()
    elements = relax_elements(model, sorted({s for c in compounds for s in c.species}), journal)
    relax_all(energy_function(model), compounds, settings, journal)
    rows, reasons = judge(compounds, elements, journal)
    write_table(options.out, rows)
    seconds = time.process_time() - started
    print(f"{len(rows)} of {len(compounds)} kept, {seconds:.0f} CPU seconds, {options.out}")
    if whole:
        checks = check_compounds(energy_function(model), elements)
        generated = summary(rows, reasons, elements, used) + checks_table(checks)
        write_generated(CARD, generated)


def relax_elements(model: Any, symbols: Iterable[str], journal: Journal) -> dict[str, float]:
    """Return the energy (eV/atom) of each element's relaxed structure, from the journal if it is there."""
    energies = {}
    for symbol in symbols:
        structure = elemental_structure(symbol)
        # With the cell in the key, another starting structure is not taken for this one.
        key = f"element {symbol}: {len(structure)} sites in {structure.volume:.1f} cubic angstrom"
        if key not in journal.items:
            energy = relax_element(model, structure, relax_cell=not is_molecule(symbol))
            journal.add([{"key": key, "energy": energy}])
            print(f"element {symbol}: {energy:.4f} eV/atom", flush=True)
        energies[symbol] = journal.items[key]["energy"]
    return energies


def relax_all(energies: EnergyFunction, compounds: list[Compound], settings: SearchSettings, journal: Journal) -> None:
    """Relax the compounds that the journal lacks, in chunks, and enter each result."""
    missing = [compound for compound in compounds if _key(compound) not in journal.items]
    started = time.process_time()
    for start in range(0, len(missing), CHUNK):
        chunk = missing[start : start + CHUNK]
        results = relax_compounds(chunk, energies, settings)
        journal.add([_entry(compound, results[compound.id]) for compound in chunk])
        done = start + len(chunk)
        rate = (time.process_time() - started) / done
        to_go = f"{rate * (len(missing) - done) / 60:.0f} CPU min to go"
        print(f"{done}/{len(missing)} compounds, {rate:.2f} CPU s each, {to_go}", flush=True)


def _key(compound: Compound) -> str:
    """Return the journal's key of a compound, which does not depend on the enumeration."""
    return f"{compound.prototype} {' '.join(compound.species)}"


def _entry(compound: Compound, result: Minimum | str) -> dict[str, Any]:
    ending = {"reason": result} if isinstance(result, str) else {"minimum": asdict(result)}
    return {"key": _key(compound), **ending}


def judge(
    compounds: list[Compound], elements: dict[str, float], journal: Journal
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the table rows of the kept compounds and the reasons for leaving out the others, from the journal."""
    rows, reasons = [], []
    for compound in compounds:
        item = journal.items[_key(compound)]
        if "reason" in item:
            reasons.append(item["reason"])
            continue
        minimum = Minimum(**{**item["minimum"], "fit": Fit(**item["minimum"]["fit"])})
        formation = formation_energy(compound, minimum.energy, elements)
        reason = refusal(compound, minimum, formation)
        if reason is None:
            rows.append(record(compound, minimum, formation))
        else:
            reasons.append(reason)
    return rows, reasons


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the rows as a gzipped CSV whose bytes depend on the rows alone."""
    if not rows:
        raise InputError(f"no structure was kept, so {path} is not written: raise --limit.")
    write_gzip(path, csv_text(rows))


if __name__ == "__main__":
    main()
