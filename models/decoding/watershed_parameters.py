"""How occupied voxels become regions; presets hold this without loading the image libraries."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WatershedParameters:
    """How occupied voxels become regions, one region per atom (F22, F24)."""

    threshold: float = 0.8  # F22: a voxel is occupied above this probability
    min_voxels: int = 3  # F24: components of this many voxels or fewer are dropped
    convexity: float = 0.8  # F24: volume / convex hull volume from which a region is one atom
    erosion_radius: int = 1  # F24: radius in voxels of the ball that finds the markers
    iterations: int = 5  # F24: rounds of splitting
    erosions: int = 5  # erosions tried until a region comes apart
    marker_share: float = 1 / 4096  # of all voxels: a marker must be larger (8 voxels at 32^3)
    voxels_per_piece: int = 8  # F24: a region of at most this many voxels per piece is not split
    by_species: bool = False  # not in the paper: voxels of different species are separated first
    weighted_centres: bool = False  # not in the paper: voxels count in a region's centre by their density


PAPERS_READING = WatershedParameters()
