"""The authors' weights in our networks, and the content of ``metrics.json`` about them."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from data_prep.conditions import condition_bins, decile_edges
from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.files.checksum import file_sha256
from data_prep.quarantine import screen
from data_prep.source_names import EMBEDDED
from data_prep.sources import read_source
from models.released.cgcnn_weights import released_cgcnn
from models.released.vae_weights import RELEASED_VAE, load_released_unet, load_released_vae
from repro import stamps
from repro.decoding.latents import Autoencoder, trained_autoencoder
from repro.released.reference_outputs import TOLERANCE, compare_cgcnn, compare_vae
from repro.released.released_errors import (
    choose_per_family,
    evaluate_cgcnn,
    evaluate_vae,
    labelled_sample,
    released_graphs,
)
from repro.released.released_files import OPTIONAL, ReleasedFiles, read_oracle

UNITS = {"formation_energy_per_atom": "eV/atom", "bulk_modulus": "ln(K/GPa)"}
_PACKAGES = ("keras", "tensorflow", "numpy", "pymatgen", "h5py")


@dataclass(frozen=True)
class Sample:
    """The sizes of the samples: ``structures`` per family (VAE), ``crystals`` per property (CGCNN); and their seed."""

    structures: int
    crystals: int
    seed: int


def measure(files: ReleasedFiles, sample: Sample) -> dict:
    """Return the content of ``metrics.json`` for the files that were found; raises InputError if one is damaged."""
    autoencoder = trained_autoencoder(*load_released_vae(files.vae), RELEASED_VAE)
    cgcnn = {name: released_cgcnn(path, files.atom_init) for name, path in files.cgcnn.items()}
    unet = load_released_unet(files.unet) if files.unet else None
    cubic, general = _crystals(files.cubic, "cubic"), _crystals(files.general, "general")
    return {
        "files": {
            role: {"path": path.relative_to(files.root).as_posix(), "sha256": file_sha256(path)}
            for role, path in files.named().items()
        },
        "sample": asdict(sample),
        "versions": stamps.versions(_PACKAGES),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "oracle": compare(files, autoencoder, cgcnn, cubic, general),
        "vae": {"source": _source(files.cubic)} | measure_vae(autoencoder, cubic, sample),
        "cgcnn": {"source": _source(files.general)} | measure_cgcnn(cgcnn, general, sample),
        "unet": {"parameters": unet.count_params()} if unet else None,
    }


def _source(table: Path | None) -> str:
    return table.name if table else "embedded crystals"


def _crystals(table: Path | None, role: str) -> list[Crystal]:
    """Return a table's crystals, or the embedded ones if there is no such table."""
    if table is None:
        print(f"There is no {OPTIONAL[role]}: the embedded crystals are measured instead.", flush=True)
    return read_source(str(table or EMBEDDED))[0]


def compare(
    files: ReleasedFiles,
    autoencoder: Autoencoder,
    cgcnn: dict[str, keras.Model],
    cubic: Sequence[Crystal],
    general: Sequence[Crystal],
) -> dict:
    """Return the deviations of our networks from the reference outputs, or the reason for not comparing them."""
    result = {"met": None, "reason": None, "tolerance": TOLERANCE, "quantities": []}
    lacking = [name for role, name in OPTIONAL.items() if getattr(files, role) is None]
    if lacking:
        return result | {"reason": f"{files.root} has no {' and no '.join(lacking)}"}
    oracle = read_oracle(files.oracle)
    try:
        found = compare_vae(autoencoder, {crystal.id: crystal for crystal in cubic}, oracle["vae"])
        found += compare_cgcnn(cgcnn, {crystal.id: crystal for crystal in general}, oracle["cgcnn"])
    except KeyError as error:
        raise InputError(f"{files.oracle} lacks the quantity {error}: fetch the file again.") from error
    quantities = [asdict(agreement) | {"met": agreement.met} for agreement in found]
    return result | {"met": all(agreement.met for agreement in found), "quantities": quantities}


def measure_vae(autoencoder: Autoencoder, crystals: Sequence[Crystal], sample: Sample) -> dict:
    """Return the VAE's errors on a seeded sample of each family, with deciles of all labelled rows (F17)."""
    usable, _ = screen(crystals)
    energies = np.array([crystal.formation_energy_per_atom for crystal in usable])
    edges = decile_edges(energies)
    bins = condition_bins(energies, edges)
    bin_of = {crystal.id: int(number) for crystal, number in zip(usable, bins, strict=True)}
    chosen = choose_per_family(usable, sample.structures, sample.seed)
    with tqdm(total=2 * len(chosen), desc="VAE", unit=" structures") as bar:
        cells = evaluate_vae(autoencoder, chosen, bin_of, bar.update)
    condition = {"rows": len(usable), "edges": edges}
    return {"condition_deciles": condition, "ids": [crystal.id for crystal in chosen], "cells": cells}


def measure_cgcnn(networks: dict[str, keras.Model], crystals: Sequence[Crystal], sample: Sample) -> dict:
    """Return each CGCNN's errors on a seeded sample of the crystals with a label (F27)."""
    results = {}
    for name, unit in UNITS.items():
        drawn, labels = labelled_sample(crystals, name, sample.crystals, sample.seed)
        if name in networks and drawn:
            print(f"CGCNN {name}: {len(drawn)} crystals, alone and in batches", flush=True)
            results[name] = {"unit": unit} | evaluate_cgcnn(networks[name], released_graphs(drawn), labels)
    return {"properties": results}
