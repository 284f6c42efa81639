"""What others have published on Perov-5, once; nothing in here is ours, and nothing of ours is ever written in here.

CDVAE's tables (Xie et al., arXiv 2110.06197), which hold its authors' own run of Cond-DFC-VAE; DiffCSP (Jiao et al.,
2023, Table 4); DiffCSP++ from a later comparison. All were trained on 11,356 structures, three times what we may use.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rival:
    """A row of Perov-5: shares in %, ``rmse`` in (volume / sites)^(1/3), ``density`` the EMD in g/cm³; None: not given.

    ``match`` and ``rmse`` are of the reconstruction, the others of 10,000 generated crystals.
    """

    name: str
    match: float | None = None
    rmse: float | None = None
    structure_valid: float | None = None
    composition_valid: float | None = None
    recall: float | None = None
    precision: float | None = None
    density: float | None = None
    n_elements: float | None = None


PEROV5 = (
    Rival("FTCP", 99.34, 0.0259, 0.24, 54.24, 0.00, 0.00, 10.27, 0.6297),
    Rival("Cond-DFC-VAE, as its rivals ran it", 51.65, 0.0217, 73.60, 82.95, 73.92, 10.13, 2.268, 0.8373),
    Rival("P-G-SchNet", None, None, 79.63, 99.13, 0.37, 0.25, 0.2755, 0.4552),
    Rival("CDVAE", 97.52, 0.0156, 100.0, 98.59, 99.45, 98.46, 0.1258, 0.0628),
    Rival("DiffCSP", None, None, 100.0, 98.85, 99.74, 98.27, 0.1110, 0.0128),
    Rival("DiffCSP++", None, None, 100.0, 98.77, 99.60, 98.80, 0.066, 0.004),
)
