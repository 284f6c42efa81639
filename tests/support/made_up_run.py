"""A run that never was: stamps, histories, results with made-up numbers, to test what is drawn from them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_prep.crystal import FAMILIES, Crystal
from data_prep.files.atomic import write_csv, write_json
from experiments import slices as density_slices
from experiments import stored
from repro import stamps
from repro.evaluation.results import STRUCTURES, SUMMARY, TRUE_MAP, TRUE_SPECIES, route
from repro.presets import LAPTOP
from repro.run import Run
from repro.stages import STAGES
from tests.support.made_up_crystals import made_up_crystals

if TYPE_CHECKING:
    from repro.generation.candidates import Candidate

COUNTS = {
    "data": {
        "read": 320,
        "used": 300,
        "left out by the preset's limit": 0,
        "rejected": {"no_label": 15, "too_many_sites": 5},
        "parts": {"train": 230, "validation": 10, "test": 60},
        "families": {"AB": 100, "ABX3": 100, "ABX2": 100},
        "elements": 40,
    },
    "voxelize": {"structures": 300, "shards": 2, "bytes": 1000},
    "train-unet": {"parameters": 50_000, "epochs": 4, "samples": 3840},
    "train-vae": {"parameters": 826_840, "epochs": 4, "samples": 1200},
    "generator": {"elements": 40, "arrangements": 12},
    "graphs": {"read": 320, "used": 310, "rejected": {"no_label": 10}, "labels": {"formation_energy_per_atom": 310}},
    "train-cgcnn": {"parameters": 45_830, "epochs": 4, "networks": {}, "not trained": {}},
    "properties": {"networks": {"formation_energy_per_atom": 5}},
    "evaluate-properties": {"formation_energy_per_atom": {"test": 60, "mae": 0.25}},
    "evaluate": {"structures": 60},
    "generate": {"samples": 8, "valid": 6},
}
TERMS = {
    "train-unet": ("loss", "occupied_loss", "species_loss"),
    "train-vae": ("loss", "mse", "perceptual", "kld", "density_mse"),
    "train-cgcnn": ("loss",),
}


def measured(models: tuple[str, ...] = ("ours", "released"), count: int = 60) -> dict:
    """Return made-up measurements of ``count`` structures in the form of ``evaluation_structures.json``."""
    rng = np.random.default_rng(0)
    who = [{"id": f"made-{i:03d}", "family": FAMILIES[i % 3]} for i in range(count)]
    vae = {
        model: [
            crystal
            | {"mse": rng.gamma(4, 0.005), "density_mse": rng.gamma(4, 0.002), "kld": rng.normal(80, 5)}
            | {"lattice_error": rng.gamma(2, 0.05, 3), "lattice_error_minmax": rng.gamma(2, 0.07, 3)}
            for crystal in who
        ]
        for model in models
    }
    sources = (TRUE_MAP, *models)
    routes = {route(source, way): [_site(rng, c) for c in who] for source in sources for way in ("vote", "fit")}
    return {"vae": vae, "routes": routes | {TRUE_SPECIES: [_site(rng, crystal) for crystal in who]}}


def _site(rng: np.random.Generator, crystal: dict) -> dict:
    if rng.random() < 0.1:
        return crystal | {"reason": "no occupied voxels"}
    right = float(rng.choice([0.5, 1.0]))
    errors = {"emd": rng.gamma(2, 0.05), "delta_n": int(rng.integers(0, 2)), "species_right": right}
    return crystal | errors | {"exact": right == 1.0}


def finished_stages(run: Run, names=tuple(COUNTS)) -> None:
    """Leave the stamps, and for trainings the histories, of ``names`` behind."""
    identities: dict[str, str] = {}
    for name in names:
        config = json.loads(json.dumps(STAGES[name].config(run)))
        inputs = {needed: identities.get(needed, "") for needed in STAGES[name].reads(run)}
        identities[name] = stamps.identity(config, inputs)
        stamps.finish(run.folder(name), config, inputs, 0.0, COUNTS[name])
        stamp = stamps.read(run.folder(name)) | {"seconds": 75.0, "finished": "2026-01-01T00:00:00Z"}
        write_json(run.folder(name) / stamps.DONE, stamp)
        if name in TERMS:
            folder = run.folder(name) / ("formation_energy_per_atom-1" if name == "train-cgcnn" else "")
            folder.mkdir(parents=True, exist_ok=True)
            history = enumerate(_history(TERMS[name]), start=1)
            write_csv(folder / "history.csv", [{"epoch": number, **losses} for number, losses in history])


def _history(terms: tuple[str, ...], epochs: int = 4) -> list[dict]:
    return [
        {term: 2.0 / (epoch + 1 + place) for place, term in enumerate(terms)}
        | {f"val_{term}": 2.2 / (epoch + 1 + place) for place, term in enumerate(terms)}
        | {"seconds": 10.0}
        for epoch in range(epochs)
    ]


def evaluated(run: Run, models: tuple[str, ...] = ("ours", "released")) -> None:
    """Leave both files of the evaluation behind, summed up by the evaluation's own code."""
    from repro.evaluation.evaluate import Records, summarise  # imports TensorFlow
    from repro.evaluation.metrics import VoxelCounts

    entries = measured(models)
    confusion = np.zeros((95, 95), dtype=np.int64)
    confusion[0, 0], confusion[8, 8], confusion[8, 9] = 900, 60, 40
    records = Records(entries["vae"], entries["routes"], VoxelCounts(confusion, above_half=55, masked=confusion))
    write_json(run.results / SUMMARY, summarise(records, run))
    write_json(run.results / STRUCTURES, entries)


def properties(run: Run) -> None:
    """Leave the errors of one property's networks behind, in the form of the evaluation's files."""
    rng = np.random.default_rng(2)
    true = rng.normal(-1.0, 1.0, 60)
    row = {
        "property": "formation_energy_per_atom", "unit": "eV/atom", "mae": 0.25, "mae_interval": [0.2, 0.3],
        "median_error": 0.2, "smape": 20.0, "r2": 0.9, "n_train": 230, "n_validation": 10, "n_test": 60,
        "baseline_mae": 0.75, "networks": 5, "mean_of_networks_mae": 0.22,
    }  # fmt: skip
    bins = [{"count": 30, "spread": 0.1 * n, "mae": 0.1 * n, "rmse": 0.12 * n} for n in (1, 2)]
    facts = {"data": COUNTS["graphs"], "source": "embedded", "preset": "laptop", "split_seed": 0, "split_by": "formula"}
    calibration = {"networks": 5, "rank_correlation": 0.4, "bins": bins}
    summary = {"rows": [row], "released": {}, "versions": stamps.versions(), "calibration": calibration}
    write_json(run.results / "properties.json", summary | facts)
    arrays = {"true": true, "predicted": true + rng.normal(0, 0.3, 60)}
    np.savez(
        run.results / "properties_test.npz",
        **{f"formation_energy_per_atom_{kind}": values for kind, values in arrays.items()},
    )


def generated(run: Run) -> None:
    """Leave a generation's CIFs, table and summary behind, written by the generation's own code."""
    from repro.generation.candidate_files import CandidateFiles  # these import TensorFlow
    from repro.generation.candidates import Candidate
    from repro.generation.generate import summarise

    candidates = [_candidate(number, crystal) for number, crystal in enumerate(made_up_crystals(6, seed=3))]
    candidates += [Candidate(f"made-{number:05d}", "made", "", 0, reason="no occupied voxels") for number in (6, 7)]
    files = CandidateFiles(run.results / "generate")
    candidates = files.add(candidates)
    files.finish(candidates)
    write_json(run.results / "generate" / "summary.json", summarise(candidates) | {"filters": {"valid": 6}})


def _candidate(number: int, crystal: Crystal) -> "Candidate":
    from repro.generation.candidates import Candidate

    a, b, c = (float(length) for length in crystal.lengths)
    alpha, beta, gamma = (float(angle) for angle in crystal.angles)
    return Candidate(
        f"made-{number:05d}", "made", "NaCl" if number % 2 else "", number, crystal.formula, valid=True,
        properties={"formation_energy_per_atom": crystal.formation_energy_per_atom}, spacegroup=225,
        n_sites=crystal.n_sites, a=a, b=b, c=c, angle=alpha, beta=beta, gamma=gamma, angle_probability=1.0,
        min_distance=2.0, same_stoichiometry=True, known_formula=number == 0, training_formula=False,
        nearest_known="mp-22862", nearest_known_formula="NaCl", nearest_known_spacegroup=225,
        nearest_known_distance=0.5, cif=crystal.structure().to(fmt="cif"),
    )  # fmt: skip


def slices(run: Run) -> None:
    """Leave reconstructed slices of the present VAE behind, so that no network is needed to draw them."""
    rng = np.random.default_rng(1)
    crystals = made_up_crystals(6)
    arrays = {name: rng.random((6, 16, 16)) for name in ("true", "ours", "released")}
    arrays |= {"lengths": np.stack([c.lengths for c in crystals])}
    facts = {"ids": [c.id for c in crystals], "formulas": [c.formula for c in crystals]}
    identity = stored.identity_of_networks(run, density_slices.NETWORKS)
    stored.write(run.results / "slices", identity, stored.Stored(facts, arrays))


def made_up_run() -> Run:
    """Return the run all of this belongs to; its folders are under the working directory."""
    return Run(preset=LAPTOP, source="embedded", name="made-up", shared=Path("nowhere"))
