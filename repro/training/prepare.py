"""The first two stages: crystals from a source, and their voxel maps."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from data_prep.conditions import decile_edges
from data_prep.crystal import FAMILIES
from data_prep.crystal_table import write_crystals
from data_prep.files.atomic import write_csv, write_json
from data_prep.quarantine import Rejected, screen
from data_prep.shards import build_shards
from data_prep.sources import read_source
from data_prep.splits import PARTS, limit_crystals, split_crystals
from repro.run import Run
from repro.training.dataset import CRYSTALS, SPLIT, load_dataset


def data(run: Run) -> dict:
    """Read the source, reject the crystals that cannot be used, split the rest; write crystals, split and rejected."""
    parameters = run.preset.data
    found, unreadable = read_source(run.source, cell=parameters.cell)
    papers = not parameters.any_crystal
    families = FAMILIES if papers else None
    usable, unusable = screen(found, max_sites=parameters.max_sites, families=families, cubic=papers)
    rejected = unreadable + unusable
    crystals = limit_crystals(usable, parameters.limit, run.preset.seed, per_family=papers)
    parts = split_crystals(
        crystals, parameters.split_by, parameters.test_fraction, parameters.validation_fraction, run.preset.seed,
        per_family=papers,
    )  # fmt: skip
    energies = np.array([crystal.formation_energy_per_atom for crystal in crystals])
    edges = decile_edges(energies[parts == "train"], run.preset.vae.conditions)
    folder = run.folder("data")
    write_crystals(folder / CRYSTALS, crystals)
    split = {crystal.id: part for crystal, part in zip(crystals, parts, strict=True)}
    write_json(folder / SPLIT, {"parts": split, "condition_edges": edges})
    write_rejected(folder / "rejected.csv", rejected)
    reasons = Counter(item.reason for item in rejected)
    counts = {
        "read": len(found) + len(unreadable),
        "used": len(crystals),
        "left out by the preset's limit": len(usable) - len(crystals),
        "rejected": dict(reasons),
        "parts": {part: int((parts == part).sum()) for part in PARTS},
        "families": dict(Counter(crystal.family for crystal in crystals)),
        "elements": len({int(z) for crystal in crystals for z in crystal.numbers}),
    }
    print(f"{counts['used']} crystals of {counts['read']} are used: {counts['families']}; split {counts['parts']}.")
    if reasons:
        print(f"Rejected: {dict(reasons)}; ids and details in {folder / 'rejected.csv'}.")
    return counts


def write_rejected(path: Path, rejected: Sequence[Rejected]) -> None:
    """Write the crystals that were left out, with the reasons, as CSV."""
    write_csv(path, [asdict(item) for item in rejected], ("id", "reason", "detail"))


def voxelize(run: Run) -> dict:
    """Voxelise every crystal to density and species maps in NPZ shards, on all cores or a Dask cluster."""
    parameters = run.preset.voxels
    folder = run.folder("voxelize")
    manifest = build_shards(
        folder, load_dataset(run).crystals, parameters.grid, parameters.radii, parameters.shard_size,
        scheduler=run.scheduler,
    )  # fmt: skip
    size = sum((folder / shard["name"]).stat().st_size for shard in manifest["shards"])
    return {"structures": manifest["structures"], "shards": len(manifest["shards"]), "bytes": size}
