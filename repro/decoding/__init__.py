"""From latent vectors and maps to atoms, with what the training crystals teach about both."""
