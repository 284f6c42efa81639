"""From latent vectors and maps to atoms, with the help of the training crystals."""
