"""The CGCNN of ``models.cgcnn`` in NumPy, on the distinct bonds of crystals.

In a crystal many of a site's twelve neighbours are alike: the same site of the cell at the same distance. Their
messages are equal and are computed once, which leaves a third of them in cubic crystals. B crystals whose S sites
stand end to end, E distinct bonds, F atom features, K Gaussians.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.beyond_paper import ImprovedCGCNNParameters
from models.forward.layers import LayerArrays, Layers, softplus
from models.table6 import CGCNN_EPSILON, CGCNNParameters

SAME = 1e-4  # Å: distances that differ by less are one (the mean): more than the error of six decimals


@dataclass(frozen=True)
class DistinctBonds:
    """The crystals of a packed batch, their sites ordered by falling number of distinct bonds.

    ``numbers`` (S,) atomic numbers; ``members`` (B, S) 1 where a site belongs to a crystal. The bonds are the first
    ones of the sites that have any, then the second ones, and so on: ``layers`` are how many; ``neighbours`` (E,)
    places of sites, ``gaussians`` (E, K) of the distances, ``times`` (E, 1) how often a bond occurs.
    """

    numbers: np.ndarray
    members: np.ndarray
    layers: tuple[int, ...]
    neighbours: np.ndarray
    gaussians: np.ndarray
    times: np.ndarray

    def spread(self, sites: np.ndarray, bonds: np.ndarray) -> None:
        """Add to each bond (E, F) the row of its site among ``sites`` (S, F)."""
        start = 0
        for count in self.layers:
            bonds[start : start + count] += sites[:count]
            start += count

    def gather(self, bonds: np.ndarray) -> np.ndarray:
        """Return the sums (S, F) of each site's bonds (E, F)."""
        sums = np.zeros((len(self.numbers), bonds.shape[1]), dtype=bonds.dtype)
        start = 0
        for count in self.layers:
            sums[:count] += bonds[start : start + count]
            start += count
        return sums


def distinct_bonds(batch: Mapping[str, np.ndarray], radius: float, step: float) -> DistinctBonds:
    """Return the distinct bonds of what ``data_prep.graphs.pack_batch`` packed; Gaussians as in F26."""
    real, edges = batch["site_mask"], batch["edge_mask"]
    sites, others, distances = np.nonzero(edges)[0], batch["neighbours"][edges], batch["distances"][edges]
    order = np.lexsort((distances, others, sites))
    sites, others, distances = sites[order], others[order], distances[order].astype(np.float64)
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (np.diff(sites) != 0) | (np.diff(others) != 0) | (np.diff(distances) > SAME)
    first = np.flatnonzero(starts)
    times = np.diff(np.append(first, len(order)))
    sites, others = sites[first], others[first]
    means = np.add.reduceat(distances, first) / times if len(first) else distances
    counts = np.bincount(sites, minlength=len(real))
    kept = np.argsort(-np.where(real, counts, -1), kind="stable")[: real.sum()]
    place = np.empty(len(real), dtype=np.int64)
    place[kept] = np.arange(len(kept))
    rank = np.arange(len(sites)) - (np.cumsum(counts) - counts)[sites]  # of a bond among those of its site
    in_layers = np.lexsort((place[sites], rank))
    centres = np.linspace(0.0, radius, round(radius / step) + 1)
    gaussians = np.exp(-np.square((means[in_layers, None] - centres) / step))
    return DistinctBonds(
        numbers=batch["numbers"][kept],
        members=(batch["crystal"][kept] == np.arange(len(batch["atoms"]))[:, None]).astype(np.float32),
        layers=tuple(np.bincount(rank).tolist()),
        neighbours=place[others[in_layers]],
        gaussians=gaussians.astype(np.float32),
        times=times[in_layers, None].astype(np.float32),
    )


class CrystalGraphNetwork:
    """A trained network of one property; ``arrays`` are those of ``models.cgcnn.build_cgcnn``'s layers.

    Raises ValueError if the arrays are not those of a network with these ``parameters``.
    """

    def __init__(self, parameters: CGCNNParameters, arrays: LayerArrays):
        layers, p = Layers(arrays), parameters
        improved = isinstance(p, ImprovedCGCNNParameters)
        features = np.shape(arrays.get("element_features", [()])[0])
        (table,) = layers.take("element_features", features)
        kernel, bias = layers.dense("atom_dense", features[-1], p.atom_features)
        self.parameters, self.elements = p, table @ kernel + bias  # (Z, F)
        if improved and p.learned_elements:
            self.elements = self.elements + layers.take("atom_learned", self.elements.shape)[0]
        self.convolutions = [_Convolution(layers, f"convolution_{step}", p) for step in range(1, p.convolutions + 1)]
        self.weighting = None
        if improved and p.readout == "attention":
            self.weighting = layers.dense("readout_weights", p.atom_features, 1)
        self.hidden = layers.dense("hidden", p.atom_features, p.hidden)
        self.standardised = layers.dense("standardised", p.hidden, 1)
        self.mean, self.deviation = layers.take("target_scale", (), ())
        layers.require_none_left()

    def __call__(self, bonds: DistinctBonds) -> np.ndarray:
        """Return the property of each crystal (B,) in the unit in which it was learned."""
        sites = self.elements[bonds.numbers]
        for convolution in self.convolutions:
            sites = convolution(sites, bonds)
        if self.weighting is None:
            crystals = bonds.members @ sites / bonds.members.sum(axis=1, keepdims=True)
        else:
            scores = sites @ self.weighting[0] + self.weighting[1]
            weights = np.logaddexp(np.float32(0), scores)  # softplus, exact for weights near 0 too
            crystals = (bonds.members @ (sites * weights)) / (bonds.members @ weights)
        hidden = softplus(softplus(crystals) @ self.hidden[0] + self.hidden[1])
        standardised = hidden @ self.standardised[0] + self.standardised[1]
        return standardised[:, 0] * self.deviation + self.mean


class _Convolution:
    """One update of the sites from their neighbours; the normalisations are folded into the matrices."""

    def __init__(self, layers: Layers, name: str, parameters: CGCNNParameters):
        f, k = parameters.atom_features, round(parameters.radius / parameters.gaussian_step) + 1
        kernel, bias = layers.take(f"{name}_linear", (2 * f + k, 2 * f), (2 * f,))
        scale, shift = layers.normalisation(f"{name}_edge_norm", 2 * f, CGCNN_EPSILON)
        kernel = kernel * scale
        self.own, self.other, self.edge = (np.ascontiguousarray(part) for part in np.split(kernel, [f, 2 * f]))
        self.bias = bias * scale + shift
        self.site_scale, self.site_shift = layers.normalisation(f"{name}_site_norm", f, CGCNN_EPSILON)

    def __call__(self, sites: np.ndarray, bonds: DistinctBonds) -> np.ndarray:
        """Return the sites (S, F) after softplus(v_i + sum_j sigmoid(..) softplus(..)) (Xie and Grossman, Eq. 5)."""
        edges = bonds.gaussians @ self.edge  # (E, 2F), gates first
        edges += (sites @ self.other)[bonds.neighbours]
        bonds.spread(sites @ self.own + self.bias, edges)
        gate, core = np.split(edges, 2, axis=1)
        messages = softplus(core)
        np.exp(np.negative(gate, out=gate), out=gate)
        gate += 1
        messages /= gate  # times the sigmoid
        messages *= bonds.times
        return softplus(sites + (bonds.gather(messages) * self.site_scale + self.site_shift))
