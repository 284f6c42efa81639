"""The measurements of ``python -m repro.bench``, on made crystals and the laptop preset's networks."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from data_prep.box import coordinate_grid
from data_prep.crystal import Crystal
from data_prep.element_features import element_features
from data_prep.elements import MAX_Z, ionic_radii
from data_prep.graphs import MAX_GRAPH_SITES, SITES_MULTIPLE, crystal_graph, pack_batch
from data_prep.shards import VoxelStore, write_shard
from data_prep.voxelize import voxelize
from models.cgcnn import build_cgcnn
from models.decoding.atoms import decode_by_fit, decode_by_vote
from models.decoding.species import allowed_elements
from models.improved_unet import build_improved_unet
from models.improved_vae import ImprovedVAE
from models.unet import WeightedCategoricalCrossentropy, build_unet, perceptual_features
from models.vae import CondDFCVAE
from repro.bench.flop import forward_flop, graph_flop, training_flop
from repro.bench.made_crystals import sized_crystals
from repro.bench.many_structures import scale_rows
from repro.bench.memory import peak_of, resident
from repro.bench.slower_ways import (
    RELEASED_COPIES,
    cdist_maps,
    per_voxel_maps,
    read_released_batch,
    separable_maps,
    write_released_files,
)
from repro.bench.time_commands import command_rows
from repro.bench.time_generation import generation_rows
from repro.bench.timing import Amount, Row, row, time_in_turn
from repro.presets import IMPROVED, LAPTOP
from repro.training.feeds import Exchange, SampleOrder, UNetFeed, VAEFeed
from repro.training.fit import Budget, compile_model

GRID = LAPTOP.voxels.grid
TRAINING_REPEATS = 5
DECODED = 10  # structures
_RELEASED = 4  # structures stored as in the release, 14 MB each


def measure_all(crystals: list[Crystal], folder: Path, scale: int = 0) -> tuple[float, list[Row | Amount]]:
    """Return the peak of a matrix product in GFLOP/s and all rows, in the order of the pipeline, then peaks of memory.

    ``folder`` holds the crystals' shards; ``scale`` more structures are written into it.
    """
    peak, store = matmul_peak(), VoxelStore(folder)
    parts: dict[str, Callable[[], Iterable[Row | Amount]]] = {
        "drawing": voxel_rows,
        "files": partial(file_rows, crystals, store, folder),
        "training steps": partial(training_rows, crystals, store, peak),
        "voxels to atoms": partial(decode_rows, store),
        "graphs and CGCNN": partial(graph_rows, crystals, peak),
        "new crystals": generation_rows,
        "commands": partial(command_rows, crystals, folder),
    }
    if scale:
        parts[f"{scale:,} structures"] = partial(scale_rows, scale, folder / "scale", GRID)
    rows, peaks = [], []
    for name, part in tqdm(parts.items(), desc="bench", unit=" parts"):
        before = resident()
        found, highest = peak_of(lambda part=part: list(part()))
        rows += found
        if highest is not None:
            peaks.append(Amount("memory of this process, at its peak", name, highest, "MiB", f"{before:,.0f} before"))
    return peak, rows + peaks


def voxel_rows() -> Iterable[Row]:
    """Time the four ways to voxelise a crystal; the per-voxel loop only once."""
    fast = {"this project (numba separable)": voxelize, "NumPy separable": separable_maps, "scipy cdist": cdist_maps}
    for n_sites, crystal in sized_crystals().items():
        arguments = (crystal.numbers, crystal.fractional, crystal.lengths, ionic_radii(), GRID)
        timings = time_in_turn({name: partial(method, *arguments) for name, method in fast.items()}, repeats=15)
        timings |= time_in_turn({"loop over voxels (release)": partial(per_voxel_maps, *arguments)}, 1, warm_up=0)
        ours = next(iter(timings.values())).cpu
        for name, timing in timings.items():
            note = f"{timing.cpu / ours:,.0f} x the CPU" if timing.cpu > 1.5 * ours else ""
            yield row(f"voxels at {GRID}^3, {n_sites} sites", name, timing, 1, "structure", note)


def file_rows(crystals: list[Crystal], store: VoxelStore, folder: Path) -> Iterable[Row]:
    """Time writing shards (voxelising included) and feeding the VAE with rotated copies from them."""
    part, path = crystals[:96], folder / "written-again.npz"
    written = time_in_turn({"write": partial(write_shard, path, part, GRID, "ionic")}, repeats=5)["write"]
    rate = path.stat().st_size / written.wall / 1e6
    note = f"{len(part) / written.wall:,.0f} structures/s, {rate:.0f} MB/s on one core"
    yield row("files", "draw and write shards", written, len(part), "structure", note)
    order = SampleOrder(range(len(store)), 10, 20, 8, seed=0)
    feed = VAEFeed(store, np.zeros((len(store), LAPTOP.vae.conditions), np.float32), order, 0, Exchange(crystals))
    kept = _released_files(store, folder)
    names = [(f"{index % _RELEASED}", index % RELEASED_COPIES) for index in range(order.batch_size)]
    ways = {
        "feed the VAE": lambda: [feed[step] for step in range(len(feed))],
        "read the release's files": lambda: [read_released_batch(folder, names) for _ in range(len(feed))],
    }
    samples = len(feed) * order.batch_size
    for name, timing in time_in_turn(ways, repeats=5).items():
        yield row("files", name, timing, samples, "sample", f"{samples / timing.wall:,.0f} samples/s on one thread")
    ours = path.stat().st_size / len(part)
    yield Amount("files", "shard", ours / 1e3, "kB each", "rotations and coordinates are computed while feeding")
    yield Amount("files", "the release's files", kept / 1e3, "kB each", f"11 float64 copies, {kept / ours:.0f} times")


def _released_files(store: VoxelStore, folder: Path) -> float:
    """Store some structures as the release does; return the bytes of each."""
    sizes = [
        write_released_files(folder, str(index), store.density(index), store.species(index), store.lengths[index])
        for index in range(_RELEASED)
    ]
    return sum(sizes) / len(sizes)


def training_rows(crystals: list[Crystal], store: VoxelStore, peak: float) -> Iterable[Row]:
    """Time a training step of each network with the laptop preset's widths and batches."""
    indices, conditions = range(len(store)), np.zeros((len(store), LAPTOP.vae.conditions), np.float32)
    vae, unet = LAPTOP.vae, LAPTOP.unet
    order = SampleOrder(indices, 0, vae.batch_size, 1, seed=0)
    maps = VAEFeed(store, conditions, order, 0, Exchange(crystals))[0]
    down_path = [layer for layer in build_unet(unet, GRID).layers if layer.name.startswith(("down", "bottleneck"))]
    plain = CondDFCVAE(replace(vae, alpha=0.0), GRID, None, seed=0)
    flop = forward_flop([*plain.encoder.layers, *plain.decoder.layers])
    yield _training_row("VAE", plain, maps, vae.batch_size, flop, peak)
    consistent = CondDFCVAE(vae, GRID, perceptual_features(build_unet(unet)), seed=0)
    flop += forward_flop(down_path)
    name = f"VAE + DFC (UNet of {unet.filters} filters)"
    yield _training_row(name, consistent, maps, vae.batch_size, flop, peak)
    order = SampleOrder(indices, 0, unet.batch_size, 1, seed=0)
    crops = UNetFeed(store, order, LAPTOP.unet_training.crop, 0, Exchange(crystals))[0]
    flop = forward_flop(build_unet(unet, LAPTOP.unet_training.crop).layers)
    name = f"UNet of {unet.filters} filters, crops of {LAPTOP.unet_training.crop}^3"
    yield _training_row(name, build_unet(unet), crops, unet.batch_size, flop, peak)
    yield from _improved_rows(maps, crops, peak)


def _improved_rows(maps: tuple, crops: tuple, peak: float) -> Iterable[Row]:
    """Time the improved networks on the same batches."""
    vae, unet = replace(IMPROVED.vae, batch_size=LAPTOP.vae.batch_size), IMPROVED.unet
    improved = ImprovedVAE(vae, GRID, None, seed=0)
    flop = forward_flop([*improved.encoder.layers, *improved.decoder.layers])
    yield _training_row("VAE with heads", improved, maps, vae.batch_size, flop, peak)
    told = build_improved_unet(unet, ionic_radii(), LAPTOP.unet_training.crop)
    name = f"UNet told of Gaussians, crops of {LAPTOP.unet_training.crop}^3"
    yield _training_row(name, told, crops, unet.batch_size, forward_flop(told.layers), peak)


def _training_row(name: str, model: keras.Model, batch: tuple, size: int, forward: int, peak: float) -> Row:
    heads = {
        "species": WeightedCategoricalCrossentropy(np.ones(MAX_Z + 1)),
        "occupied": keras.losses.BinaryCrossentropy(),
    }
    losses = {} if isinstance(model, CondDFCVAE) else {"loss": heads}
    compile_model(model, Budget(1, 1, 1e-4, "constant", 0), **losses)
    timing = time_in_turn({name: partial(model.train_on_batch, *batch)}, TRAINING_REPEATS, warm_up=2)[name]
    rate = training_flop(forward) * size / timing.wall / 1e9
    note = f"{training_flop(forward) / 1e9:.2f} GFLOP, {rate:.0f} GFLOP/s, {100 * rate / peak:.0f} % of the peak"
    return row("training step, laptop preset", f"{name}, batch {size}", timing, size, "sample", note)


def decode_rows(store: VoxelStore) -> Iterable[Row]:
    """Time voxels to atoms on true maps, the species by vote or by fit."""
    chosen = range(min(DECODED, len(store)))
    maps = [(store.density(i), coordinate_grid(store.lengths[i], store.grid), store.species(i)) for i in chosen]
    elements = allowed_elements(ionic_radii())

    def decode(way: str) -> None:
        for density, coordinates, species in maps:
            occupied = (species > 0).astype(np.float32)
            if way == "vote":
                decode_by_vote(density, coordinates, species, occupied)
            else:
                decode_by_fit(density, coordinates, occupied, elements, species)

    timings = time_in_turn({way: partial(decode, way) for way in ("vote", "fit")}, repeats=3)
    names = {"vote": "watershed, species by vote", "fit": "watershed, species by fit"}
    for way, timing in timings.items():
        yield row("voxels to atoms", names[way], timing, len(chosen), "structure")


def graph_rows(crystals: list[Crystal], peak: float) -> Iterable[Row]:
    """Time building crystal graphs and the CGCNN's inference on them."""
    built = time_in_turn({"graphs": lambda: [crystal_graph(crystal) for crystal in crystals]}, repeats=3)["graphs"]
    note = f"{len(crystals) / built.wall:,.0f} structures/s on one core"
    yield row("CGCNN", "build graphs (2 to 5 sites)", built, len(crystals), "structure", note)
    mixed = [crystal_graph(crystal) for crystal in sized_crystals().values()]  # 2, 8 and 40 sites
    graphs = [mixed[index % 8 // 3] for index in range(LAPTOP.cgcnn.batch_size)]  # 14 on average
    padded = MAX_GRAPH_SITES * len(graphs)  # F26: the release pads every crystal
    for what, multiple in (("packed", SITES_MULTIPLE), (f"padded to {MAX_GRAPH_SITES} sites as the release", padded)):
        batch, targets = pack_batch(graphs, multiple), np.zeros((len(graphs), 1), np.float32)
        model = build_cgcnn(LAPTOP.cgcnn, element_features())
        compile_model(model, Budget(1, 1, 1e-3, "constant", 0), loss="mae")
        work = {
            "training step": partial(model.train_on_batch, batch, targets),
            "inference": partial(model.predict_on_batch, batch),
        }
        forward = graph_flop(model.layers, len(batch["numbers"]), batch["neighbours"].size, len(graphs))
        for name, timing in time_in_turn(work, TRAINING_REPEATS, warm_up=2).items():
            flop = forward if name == "inference" else training_flop(forward)
            note = f"{len(graphs) / timing.wall:,.0f} structures/s, {len(batch['numbers']):,} sites, "
            note += f"{100 * flop / timing.wall / 1e9 / peak:.0f} % of the peak"
            yield row(
                "CGCNN, 256 crystals of 2, 8, 40 sites", f"{name}, {what}", timing, len(graphs), "structure", note
            )


def matmul_peak(size: int = 2048) -> float:
    """Return the best rate of a float32 matrix product in GFLOP/s, by the backend that trains."""
    matrix = keras.random.uniform((size, size), seed=0)
    product = keras.ops.matmul

    def once() -> float:
        return float(product(matrix, matrix)[0, 0])  # reading a number waits for the result

    best = min(time_in_turn({"product": once}, repeats=1, warm_up=0)["product"].wall for _ in range(6))
    return 2 * size**3 / best / 1e9
