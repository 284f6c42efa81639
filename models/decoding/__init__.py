"""From maps to atoms: watershed, Gaussian fits, species, arrangements of sites, lattice lengths."""
