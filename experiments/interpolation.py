"""Straight lines through the latent space: Figure 2b, one pair per condition, and Figure 2c, along the lanthanides.

A line runs between sampled z of its two ends, both encoded and everything decoded under one condition (F19).
"""

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from pymatgen.core import Composition, Element
from tqdm import tqdm

from data_prep.box import shift_to_origin
from data_prep.conditions import one_hot
from data_prep.crystal import Crystal
from data_prep.shards import VoxelStore
from experiments.latent_space import sampled
from models.decoding import Way
from models.decoding.atoms import Decoded, Undecodable
from repro.backend import start_backend
from repro.decoding.decoder import decoding_pool
from repro.evaluation.metrics import MATCH_DISTANCE
from repro.run import Run
from repro.training.dataset import Dataset, batches, load_dataset, load_store

if TYPE_CHECKING:
    from repro.generation.generator import Generator

ENDS = ("CeCrO3", "YbCrO3")  # Figure 2c
_PAPERS = np.array([(58, 24, 8), (70, 24, 8)])  # their A, B and X
BATCH = 20  # latent vectors decoded at once
_AHEAD = 2  # batches that the networks are ahead of the workers
_SAME_PLACE = 0.02  # of a cell edge: sites closer than this are on the same place


@dataclass(frozen=True)
class End:
    """An ABX3 crystal of five sites, its A-site at ``place`` (3,) in cell edges, shifted to the origin (F3)."""

    index: int
    a: int
    b: int
    x: int
    place: np.ndarray


def line(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Return ``steps`` latent vectors (steps, L) float32 from ``start`` to ``end`` (L,), both included."""
    t = np.linspace(0.0, 1.0, steps)[:, None]
    return ((1.0 - t) * start + t * end).astype(np.float32)


def pairs_by_condition(dataset: Dataset, seed: int) -> list[tuple[int, int, int]]:
    """Return one pair of training crystals for each condition: (condition, index, index), lowest energies first.

    The first is drawn at random, the second among those of the same family and another formula, as all pairs that
    the paper names are; of any family if there is none. A condition with a single formula has no pair.
    """
    train = dataset.indices("train")
    pairs = []
    for condition in range(len(dataset.edges) + 1):
        rng = np.random.default_rng((seed, condition))
        members = rng.permutation(train[dataset.bins[train] == condition])
        if not len(members):
            continue
        first = dataset.crystals[members[0]]
        others = [index for index in members if dataset.crystals[index].formula != first.formula]
        akin = [index for index in others if dataset.crystals[index].family == first.family]
        if others:
            pairs.append((condition, int(members[0]), int((akin or others)[0])))
    return pairs


def readings(crystals: Sequence[Crystal]) -> list[End]:
    """Return every way to read an ABX3 crystal of five sites as A, B and three X: two for each, A and B exchanged."""
    found = []
    for index, crystal in enumerate(crystals):
        counts = Counter(crystal.numbers.tolist())
        if crystal.family != "ABX3" or sorted(counts.values()) != [1, 1, 3]:
            continue
        places = shift_to_origin(crystal.fractional)
        (x,) = (number for number, count in counts.items() if count == 3)
        first, second = (number for number, count in counts.items() if count == 1)
        for a, b in ((first, second), (second, first)):
            found.append(End(index, a, b, x, places[crystal.numbers == a][0]))
    return found


def nearest_ends(dataset: Dataset) -> tuple[End, End] | None:
    """Return the pair of ABX3 crystals with the same B and X that is nearest to CeCrO3 and YbCrO3, or None.

    Nearest: the sum of the differences in atomic number of A, B and X over both ends. Both hold A on the same place
    of the cell, because the data know perovskites with A on the corner and in the middle. Of equally near ones
    those with the lowest formation energies are taken.
    """
    sharing: dict[tuple[int, int], list[End]] = defaultdict(list)
    for end in readings(dataset.crystals):
        sharing[end.b, end.x].append(end)

    def distance(ends: tuple[End, End]) -> tuple:
        apart = int(np.abs(np.array([(end.a, end.b, end.x) for end in ends]) - _PAPERS).sum())
        crystals = [dataset.crystals[end.index] for end in ends]
        energy = sum(crystal.formation_energy_per_atom for crystal in crystals)
        return apart, energy, *(crystal.id for crystal in crystals)

    fitting = (
        pair
        for group in sharing.values()
        for pair in product(group, group)
        if pair[0].a != pair[1].a and np.abs(pair[0].place - pair[1].place).max() < _SAME_PLACE
    )
    return min(fitting, key=distance, default=None)


def formula_of(a: int, b: int, x: int) -> str:
    """Return the reduced formula of ABX3 with these atomic numbers."""
    counts: Counter[str] = Counter()
    for number, count in ((a, 1), (b, 1), (x, 3)):
        counts[Element.from_Z(number).symbol] += count
    return Composition(counts).reduced_formula


def element_at(place: np.ndarray, outcome: Decoded | Undecodable) -> int:
    """Return the atomic number of the decoded site within 0.5 Å of ``place`` (3,) in cell edges; 0 without one."""
    if isinstance(outcome, Undecodable):
        return 0
    distances = np.linalg.norm(outcome.cartesian - place * outcome.lengths, axis=1)
    nearest = int(distances.argmin())
    return int(outcome.numbers[nearest]) if distances[nearest] < MATCH_DISTANCE else 0


def is_member(end: End, outcome: Decoded | Undecodable) -> bool:
    """Return whether a decoded structure is A B X3 with the B and X of ``end``, whatever its A-site holds."""
    a = element_at(end.place, outcome)
    return a > 0 and sorted(outcome.numbers.tolist()) == sorted([a, end.b, end.x, end.x, end.x])


def members(elements: np.ndarray, whole: np.ndarray, end: End, known: set[str], trained: set[str]) -> list[dict]:
    """Return each element met on the A-site, from the lightest, with counts and whether its ABX3 is known.

    ``elements`` (n,) along the line, 0 for none; ``whole`` (n,) is true if the rest of the structure is B and X3;
    ``trained`` holds the formulas of the training part and ``known`` those of all data. ``first`` and ``last`` are
    where on the line, from 0 to 1, it is met.
    """
    t = np.linspace(0.0, 1.0, len(elements))
    found = []
    for number in np.unique(elements[elements > 0]).tolist():
        here = elements == number
        formula = formula_of(number, end.b, end.x)
        found.append(
            {
                "element": Element.from_Z(number).symbol,
                "number": number,
                "formula": formula,
                "points": int(here.sum()),
                "whole": int((here & whole).sum()),
                "first": float(t[here].min()),
                "last": float(t[here].max()),
                "in_training": formula in trained,
                "in_data": formula in known,
            }
        )
    return found


@dataclass(frozen=True)
class Networks:
    """A run's crystals, their maps, and its generator."""

    dataset: Dataset
    store: VoxelStore
    generator: "Generator"


def load_networks(run: Run) -> Networks:
    """Load what lines through the latent space need; starts Keras."""
    start_backend()
    from repro.generation.generator_folder import load_generator  # imports Keras, which only a new computation needs

    return Networks(load_dataset(run), load_store(run), load_generator(run.folder("generator")))


def sampled_ends(
    networks: Networks, indices: Sequence[int], condition: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps (2, G, G, G, 4) of two crystals and a latent vector of each (2, L), under one condition."""
    maps = networks.store.maps(indices)
    given = _under(networks, condition, len(indices))
    numbers = [networks.dataset.crystals[index].numbers for index in indices]
    mean, log_var = networks.generator.autoencoder.encode(maps, given, numbers)
    return maps, sampled(mean, log_var, seed)


def slices_between(networks: Networks, pairs: Sequence[tuple[int, int, int]], steps: int, seed: int) -> dict:
    """Return middle slices in electrons/Å^3: ``true`` (P, 2, G, G) of the ends, ``decoded`` (P, steps, G, G)."""
    middle, true, decoded = networks.store.grid // 2, [], []
    for condition, *indices in pairs:
        maps, z = sampled_ends(networks, indices, condition, seed)
        between = networks.generator.autoencoder.decode(line(*z, steps), _under(networks, condition, steps)).maps
        true.append(maps[:, :, :, middle, 0])
        decoded.append(between[:, :, :, middle, 0])
    return {"true": np.array(true), "decoded": np.array(decoded)}


def outcomes_between(
    networks: Networks, ends: tuple[End, End], ways: Sequence[Way], condition: int, steps: int, seed: int
) -> dict[Way, list[Decoded | Undecodable]]:
    """Return what ``steps`` latent vectors between two crystals decode to, by each of ``ways``."""
    decoder, autoencoder = networks.generator.decoder, networks.generator.autoencoder
    _, z = sampled_ends(networks, [end.index for end in ends], condition, seed)
    found: dict[Way, list[Decoded | Undecodable]] = {way: [] for way in ways}
    waiting: deque[list] = deque()
    with decoding_pool(len(ways) * steps) as pool, tqdm(total=steps, desc="figure2", unit=" structures") as bar:

        def collect(left: int) -> None:
            while len(waiting) > left:
                before = bar.n
                for way, outcomes in zip(ways, waiting.popleft(), strict=True):
                    found[way] += outcomes
                bar.update(len(found[ways[0]]) - before)

        for part in batches(line(*z, steps), BATCH):
            maps = autoencoder.decode(part, _under(networks, condition, len(part)))
            prepared = decoder.prepare(maps, decoder.segment(maps.maps))
            waiting.append([decoder.decode(pool, prepared, way) for way in ways])
            collect(_AHEAD)  # the workers decode while the networks go on
        collect(0)
    return found


def _under(networks: Networks, condition: int, count: int) -> np.ndarray:
    return one_hot(np.full(count, condition), networks.generator.n_conditions)
