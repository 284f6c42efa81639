"""From maps to atoms: watershed, Gaussian fits, species, arrangements of sites, lattice lengths.

There are three ways. ``vote``, the paper's: the UNet segments the map, and each region is an atom of its commonest
label. ``fit``: a Gaussian is fitted to the density from each of those regions, and its height and width determine
the element. ``composition``: the latent already gives the composition, and Gaussians are fitted from the
arrangements of known crystals.
"""

from typing import Literal

Way = Literal["vote", "fit", "composition"]
