"""Where the time of a new crystal goes: from a latent vector to a CIF, with the networks that come with the project."""

from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from os import devnull
from pathlib import Path

import numpy as np
from pymatgen.core import Structure
from threadpoolctl import threadpool_limits

from data_prep.conditions import one_hot
from data_prep.graphs import crystal_graph
from data_prep.structures.cif import cif_text
from data_prep.structures.symmetry import symmetrised
from data_prep.structures.validity import is_valid
from models.decoding.atoms import Decoded, Undecodable, decode_atoms, decode_told, to_structure
from repro.bench.timing import Row, Timing, row, time_in_turn
from repro.decoding.decoder import segment
from repro.decoding.latents import decode_latent
from repro.generation.candidates import candidates
from repro.generation.generate import BATCH, generate_published
from repro.generation.generator import GENERATOR_WEIGHTS, Generator, load_generator
from repro.generation.targets import at_random
from repro.properties.networks import predict_properties

PART = "a new crystal, published networks"
CONDITION = 4  # the fifth decile
COUNT = 60  # latent vectors
# Samples of a short and of a long command: both are decoded by a pool, so that the difference leaves every start out.
WHOLE = (2 * BATCH, 14 * BATCH)
REPEATS = 3


def generation_rows(folder: Path) -> Iterator[Row]:
    """Time each step of ``generate`` by itself on one thread of linear algebra, then the whole command."""
    generator = load_generator(GENERATOR_WEIGHTS, [])
    with threadpool_limits(1, "blas"):
        yield from _steps(generator, COUNT)
    timings = [_time_whole(folder, count) for count in WHOLE]
    count, wall = WHOLE[1] - WHOLE[0], timings[1].wall - timings[0].wall
    whole = Timing(max(wall, 1e-9), None, 1)  # the CPU time of the pool's processes is not counted
    yield row(PART, "the whole command with its pool", whole, count, "candidate", f"{count / whole.wall:.0f} a second")


def _steps(generator: Generator, count: int) -> Iterator[Row]:
    z = at_random(CONDITION, count, 0).draw(0, count, np.zeros(generator.decoder.input["z"].shape[-1]))
    condition = one_hot(np.full(count, CONDITION), generator.n_conditions)
    pieces = [slice(start, start + BATCH) for start in range(0, count, BATCH)]
    decoded = [_maps(generator, z[piece], condition[piece]) for piece in pieces]
    maps, told = (np.concatenate(found) for found in zip(*decoded, strict=True))
    numbers = generator.count_sites(z)
    outcomes = [_by_fit(generator, maps[i], told[i], int(numbers[i])) for i in range(count)]
    raw = [_structure(generator, outcome) for outcome in outcomes if not isinstance(outcome, Undecodable)]
    raw = [structure for structure in raw if is_valid(structure)]
    whole = [symmetrised(structure)[0] for structure in raw]
    graphs = [crystal_graph(structure) for structure in whole]
    target = at_random(CONDITION, count, 0)
    with ThreadPoolExecutor(1) as pool:
        steps = {
            "latent vector to map": lambda: [_maps(generator, z[p], condition[p]) for p in pieces],
            "number of sites from the latent": partial(generator.count_sites, z),
            "map to atoms: fit, told composition": lambda: [
                _by_fit(generator, maps[i], told[i], int(numbers[i])) for i in range(count)
            ],
            "map to atoms: UNet, watershed, vote (paper)": lambda: [_by_unet(generator, maps[p]) for p in pieces],
            "symmetry": lambda: [symmetrised(structure) for structure in raw],
            "graph": lambda: [crystal_graph(structure) for structure in whole],
            "CGCNN, eight properties, ensemble of five": partial(predict_properties, generator.networks, graphs),
            "CIF": lambda: [cif_text(structure) for structure in whole],
            "all from atoms to CIF and properties": lambda: candidates(target, 0, outcomes, generator, pool),
        }
        for name, timing in time_in_turn(steps, REPEATS).items():
            yield row(PART, name, timing, count, "candidate")


def _maps(generator: Generator, z: np.ndarray, condition: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return decode_latent(generator.decoder, z, condition)


def _by_fit(generator: Generator, maps: np.ndarray, composition: np.ndarray, count: int):
    density, coordinates = maps[..., 0], maps[..., 1:]
    return decode_told(density, coordinates, composition, generator.candidates, generator.prior, count=count)


def _structure(generator: Generator, decoded: Decoded) -> Structure:
    return to_structure(decoded, np.full(3, generator.rule.choose(decoded.numbers, decoded.lengths)[0]))


def _by_unet(generator: Generator, maps: np.ndarray) -> list:
    """The paper's way: the UNet's arg-max, watershed, and a vote of the voxels of each region."""
    segmented, _ = segment(generator.unet, maps)
    return [decode_atoms(one.maps[..., 0], one.maps[..., 1:], one.species, one.occupied) for one in segmented]


def _time_whole(folder: Path, count: int) -> Timing:
    """Time the generation of ``count`` random samples with all that the command writes, quietly."""
    generate = partial(_generate_at_random, count, folder / f"generated-{count}")
    with open(devnull, "w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        return time_in_turn({"whole": generate}, repeats=1, warm_up=0)["whole"]


def _generate_at_random(count: int, out: Path) -> None:
    """Do what ``generate --random --count COUNT --out OUT`` does."""
    unset = (
        "base", "formation_energy", "spread", "random_from", "seed", "elements", "weights", "property_weights",
        "energy_window",
    )  # fmt: skip
    flags = dict.fromkeys(("relax", "same_stoichiometry", "charge_balanced", "novel", "unique"), False)
    generate_published(Namespace(random=True, count=count, out=out, **dict.fromkeys(unset), **flags))
