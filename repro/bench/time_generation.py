"""Where the time of a new crystal goes: from a latent vector to a CIF, with the networks that come with the project."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from data_prep.conditions import one_hot
from data_prep.graphs import crystal_graph
from data_prep.structures.idealise import idealise
from data_prep.structures.validity import is_valid
from models.decoding import Way
from models.decoding.atoms import Decoded, Undecodable, to_structure
from repro.bench.timing import Row, row, time_in_turn
from repro.decoding.latents import LatentMaps
from repro.generation.candidates import describe
from repro.generation.generator import BATCH, Generator
from repro.generation.generator_folder import load_generator
from repro.generation.targets import at_random, in_turn

PART = "a new crystal, published networks"
CONDITION = 4  # the fifth decile
COUNT = 60  # latent vectors
REPEATS = 3


def generation_rows() -> Iterator[Row]:
    """Time each step of ``generate`` by itself on one thread of linear algebra."""
    with threadpool_limits(1, "blas"):
        yield from _steps(load_generator(), COUNT)


def _steps(generator: Generator, count: int) -> Iterator[Row]:
    autoencoder, decoder = generator.autoencoder, generator.decoder
    target = at_random(CONDITION, count, 0)
    samples, middle = in_turn([target]), np.zeros(autoencoder.decoder.latent)
    z = np.stack([target.latent(number, middle) for number in range(count)])
    condition = one_hot(np.full(count, CONDITION), generator.n_conditions)
    pieces = [slice(start, start + BATCH) for start in range(0, count, BATCH)]

    def maps() -> list[LatentMaps]:
        return [autoencoder.decode(z[piece], condition[piece]) for piece in pieces]

    with ThreadPoolExecutor(1) as pool:

        def atoms(way: Way, batches: Sequence[LatentMaps]) -> list[Decoded | Undecodable]:
            return [outcome for batch in batches for outcome in decoder.atoms(pool, batch, way)]

        decoded = maps()
        outcomes = atoms("composition", decoded)
        raw = [_structure(generator, outcome) for outcome in outcomes if isinstance(outcome, Decoded)]
        raw = [structure for structure in raw if is_valid(structure)]
        whole = [idealise(structure).structure for structure in raw]
        graphs = [crystal_graph(structure) for structure in whole]
        steps = {
            "latent vector to map": maps,
            "number of sites from the latent": partial(decoder.site_counts.choose, z),
            "map to atoms: known structure type or fit": partial(atoms, "composition", decoded),
            "validity, symmetry, charges, CIF": lambda: [idealise(structure) for structure in raw],
            "graph": lambda: [crystal_graph(structure) for structure in whole],
            "CGCNN, eight properties, ensemble of five": partial(generator.properties.predict, graphs),
            "all from atoms to CIF and properties": lambda: describe(samples, outcomes, generator),
        }
        for name, timing in time_in_turn(steps, REPEATS).items():
            yield row(PART, name, timing, count, "candidate")
        few = decoded[:1]
        by_vote = {"map to atoms: UNet, watershed, vote (paper)": partial(atoms, "vote", few)}
        for name, timing in time_in_turn(by_vote, repeats=1).items():
            yield row(PART, name, timing, len(few[0].maps), "candidate")


def _structure(generator: Generator, decoded: Decoded):
    return to_structure(decoded, np.full(3, generator.angle_rule.choose(decoded.numbers, decoded.lengths)[0]))
