"""Many structures: the speed of voxelising and feeding them, and whether memory grows with their number."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_prep.crystal import Crystal
from data_prep.shards import VoxelStore, build_shards
from repro.bench.made_crystals import made_crystals
from repro.bench.memory import growth, watch
from repro.bench.timing import Amount, Row, row, time_in_turn
from repro.presets import PAPER
from repro.training.feeds import Exchange, SampleOrder, VAEFeed

DIFFERENT = 960  # crystals that are repeated


def many_crystals(count: int) -> list[Crystal]:
    """Return ``count`` crystals with distinct ids, repeats of 960 made ones."""
    made = made_crystals(min(count, DIFFERENT))
    return [replace(made[index % len(made)], id=f"repeat-{index}") for index in range(count)]


def scale_rows(count: int, folder: Path, grid: int) -> Iterator[Row | Amount]:
    """Voxelise ``count`` structures into ``folder`` on all cores, then feed as many rotated copies in random order."""
    crystals, preset, part = many_crystals(count), PAPER, f"{count:,} structures"
    yield from _watched(
        part, "draw and write shards, all cores", count,
        lambda: build_shards(folder, crystals, grid, "ionic", preset.voxels.shard_size), alone=False,
    )  # fmt: skip
    size = sum(path.stat().st_size for path in folder.glob("shard-*.npz"))
    yield Amount(part, "shards on disk", size / 1e9, "GB", f"{size / count / 1e3:.0f} kB a structure")
    batch = preset.vae.batch_size
    conditions = np.zeros((count, preset.vae.conditions), np.float32)
    order = SampleOrder(range(count), preset.vae_training.rotations, batch, count // batch, seed=0)
    feed = VAEFeed(VoxelStore(folder), conditions, order, 0, Exchange(crystals))
    yield from _watched(part, "feed the VAE, one thread", count, lambda: _consume(feed))


def _watched(part: str, what: str, count: int, function, alone: bool = True) -> Iterator[Row | Amount]:
    """Time ``function`` once, with its memory early and late; not ``alone``: other processes work too."""
    timings, seen = watch(lambda: time_in_turn({what: function}, repeats=1, warm_up=0))
    timing = timings[what]
    timing = timing if alone else replace(timing, cpu=None)
    yield row(part, what, timing, count, "structure", f"{count / timing.wall:,.0f} structures/s")
    if seen:
        early, late = growth(seen)
        yield Amount(part, f"memory, {what}", late, "MiB", f"at the end; {early:,.0f} early, {max(seen):,.0f} at most")


def _consume(feed: VAEFeed) -> None:
    for step in range(len(feed)):
        feed[step]
