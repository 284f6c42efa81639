"""Where the atoms of a map may be, if the latent gives the elements (not in the paper).

Three facts about the training crystals are used: the volume of an atom of each element, the counts of the
elements in a crystal of n sites, and the positions of the n sites. They give a Gaussian fit its number of
atoms and its starting points; the fit is free to move away from them.
"""

from dataclasses import asdict, dataclass

import numpy as np
from scipy.ndimage import gaussian_laplace, map_coordinates
from scipy.optimize import linear_sum_assignment
from skimage.feature import peak_local_max

from data_prep.box import BOX, MARGIN, voxel_edges, voxel_positions
from models.decoding.gaussian_fit import FitParameters, Gaussians, fit_gaussians
from models.decoding.structure_types import StructureType

BOX_SHARE = 2**0.25  # box volume over the cell's, between 1 (90°) and sqrt 2 (60°)
TRIED = 2  # arrangements that are fitted: those with the most density at their emptiest site
PEAK_WIDTH = 1.5  # voxels: smoothing of the Laplacian whose peaks are atoms
PEAK_SHARE = 0.1  # of the highest peak: lower peaks are ignored
SNAP = 0.4  # Å: atoms that are all nearer than this to a known arrangement are moved into it
COMPOSITION_WEIGHT = 1.0  # of the composition's likelihood relative to the logarithm of the residual


@dataclass(frozen=True)
class Arrangements:
    """The sites of the training crystals, commonest first.

    ``volumes`` (95,) are those of an atom in Å^3, indexed by Z. By number of sites n: ``arrangements``, arrays (n, 3)
    of fractional coordinates in the boxed frame; ``counts``, the numbers of sites of the elements, largest first; and
    the structure ``types``.
    """

    volumes: np.ndarray
    arrangements: dict[int, tuple[np.ndarray, ...]]
    counts: dict[int, tuple[tuple[int, ...], ...]]
    types: dict[int, tuple[StructureType, ...]]

    @classmethod
    def from_json(cls, found: dict, volumes: np.ndarray) -> "Arrangements":
        """Return what ``to_json`` turned into plain data; ``volumes`` are stored with the angle rule."""
        return cls(
            volumes,
            {int(number): tuple(map(np.array, sites)) for number, sites in found["arrangements"].items()},
            {int(number): tuple(map(tuple, counts)) for number, counts in found["counts"].items()},
            {
                int(number): tuple(StructureType(np.array(one["sites"]), np.array(one["orbits"])) for one in types)
                for number, types in found["types"].items()
            },
        )

    def to_json(self) -> dict:
        """Return the arrangements, counts and types as plain data."""
        types = {number: [asdict(one) for one in found] for number, found in self.types.items()}
        return {"arrangements": self.arrangements, "counts": self.counts, "types": types}

    @property
    def most_elements(self) -> int:
        """How many elements the known crystals have at most."""
        return max((len(counts) for known in self.counts.values() for counts in known), default=0)

    def numbers_of_sites(self, composition: np.ndarray, lengths: np.ndarray) -> list[int]:
        """Return how many sites a cell may hold, given the shares (95,) of the species and its lengths (3,) in Å.

        One number if the shares are those of a small formula: that of as many formula units as the volume of the
        cell holds. Otherwise every number with a known arrangement.
        """
        size = formula_unit(composition)
        if size == 1:
            return sorted(self.arrangements)
        of_unit = size * float(composition[1:] @ self.volumes[1:]) / max(float(composition[1:].sum()), 1e-9)
        return [size * max(1, round(float(np.prod(lengths)) / of_unit / BOX_SHARE))]

    def species(self, composition: np.ndarray, n_sites: int) -> np.ndarray | None:
        """Return the atomic numbers (n_sites,) nearest to the shares (95,), in known counts if there are any.

        None if every known crystal of so many sites has more elements than there are shares above 0.
        """
        order = np.argsort(-composition, kind="stable")
        known = self.counts.get(n_sites, ())
        if not known:
            return np.repeat(np.arange(len(composition)), apportion(composition, n_sites))
        possible = [counts for counts in known if len(counts) <= np.count_nonzero(composition)]
        if not possible:
            return None
        likely = max(possible, key=lambda counts: _log_likelihood(composition[order], np.array(counts)))
        return np.repeat(order[: len(likely)], likely)

    def log_likelihood(self, composition: np.ndarray, n_sites: int) -> float:
        """Return how well the shares (95,) fit a crystal of ``n_sites``: 0 at best, negative otherwise."""
        known = self.counts.get(n_sites)
        if not known:
            return 0.0
        shares = np.sort(composition)[::-1]
        return max(_log_likelihood(shares, np.array(counts)) for counts in known)


def _log_likelihood(shares: np.ndarray, counts: np.ndarray) -> float:
    """Minus the divergence of shares (largest first) from counts (largest first): 0 if they agree."""
    wanted = counts / counts.sum()
    return float(np.sum(wanted * np.log(np.maximum(shares[: len(counts)], 1e-9) / wanted)))


def formula_unit(composition: np.ndarray, tolerance: float = 0.25, largest: int = 8) -> int:
    """Return how many sites a formula unit has, given the shares of the species (95,).

    The smallest number for which all counts are whole within ``tolerance``; 1 if there is none up to ``largest``.
    """
    for size in range(2, largest + 1):
        counts = composition * size
        whole = np.round(counts)
        if whole.sum() == size and np.abs(counts - whole).max() < tolerance:
            return size
    return 1


def apportion(shares: np.ndarray, total: int) -> np.ndarray:
    """Return whole counts (k,) that add up to ``total``, as near as possible to ``shares`` (k,): largest remainders."""
    wanted = shares / shares.sum() * total
    counts = np.floor(wanted).astype(np.int64)
    missing = total - counts.sum()
    counts[np.argsort(counts - wanted, kind="stable")[:missing]] += 1
    return counts


def fit_composition(
    density: np.ndarray,
    lengths: np.ndarray,
    composition: np.ndarray,
    known: Arrangements,
    parameters: FitParameters,
    count: int | None = None,
) -> Gaussians:
    """Fit a density map (G, G, G) in electrons/Å^3 whose ``composition`` (95,) is known; cell ``lengths`` (3,) in Å.

    ``count`` is the number of atoms, None if it is unknown. Then the likeliest number is chosen by the residual, which
    each further atom has to reduce as in ``fit_gaussians``, and by how well the number fits the composition.
    """
    density = np.asarray(density, dtype=np.float64)

    def cost(fit: Gaussians) -> float:
        atoms = len(fit.rows)
        likelihood = known.log_likelihood(composition, atoms)
        per_atom = np.log(parameters.accept)
        return np.log(fit.residual + parameters.exact) - atoms * per_atom - COMPOSITION_WEIGHT * likelihood

    counts = [count] if count else known.numbers_of_sites(composition, lengths)
    return min((fit_count(density, lengths, one, known, parameters) for one in counts), key=cost)


def fit_count(
    density: np.ndarray, lengths: np.ndarray, count: int, known: Arrangements, parameters: FitParameters
) -> Gaussians:
    """Fit ``count`` atoms from the likeliest arrangements, or from the peaks of the map if none is known."""
    edges = voxel_edges(lengths, len(density))
    starts = arrangements_of(density, lengths, count, known) or [peaks(density, edges, count)]
    fits = [fit_gaussians(density, edges, sites, parameters, count) for sites in starts]
    return min(fits, key=lambda fit: (len(fit.rows) != count, fit.residual))


def arrangements_of(density: np.ndarray, lengths: np.ndarray, count: int, known: Arrangements) -> list[np.ndarray]:
    """Return the sites (n, 3) in Å of the known arrangements with the most density at their emptiest site."""
    candidates = known.arrangements.get(count, ())
    scale = len(density) / BOX
    least = [
        map_coordinates(density, (fractional + MARGIN).T * scale - 0.5, order=1, mode="nearest").min()
        for fractional in candidates
    ]
    chosen = np.argsort(-np.array(least), kind="stable")[:TRIED]
    return [candidates[place] * lengths for place in chosen]


def snapped(sites: np.ndarray, lengths: np.ndarray, known: Arrangements) -> np.ndarray:
    """Return sites (n, 3) in Å moved into the nearest known arrangement, or unchanged if none is near.

    A decoder's sites have errors of a tenth of an ångström; those of a crystal of a known structure type are
    exact fractions of its cell.
    """
    found, best = sites, SNAP
    for fractional in known.arrangements.get(len(sites), ()):
        distances = np.linalg.norm(fractional[:, None] * lengths - sites, axis=-1)
        rows, columns = linear_sum_assignment(distances)
        if distances[rows, columns].max() < best:
            best = distances[rows, columns].max()
            found = np.empty_like(sites)
            found[columns] = fractional[rows] * lengths
    return found


def peaks(density: np.ndarray, edges: np.ndarray, count: int) -> np.ndarray:
    """Return up to ``count`` sites (n, 3) in Å of highest curvature of the density, which shows overlapping atoms."""
    curved = -gaussian_laplace(density, PEAK_WIDTH)
    found = peak_local_max(curved, min_distance=2, threshold_rel=PEAK_SHARE, exclude_border=False, num_peaks=count)
    if not len(found):
        found = np.array([np.unravel_index(np.argmax(density), density.shape)])
    return voxel_positions(found, edges, len(density))
