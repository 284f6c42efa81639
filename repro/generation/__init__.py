"""From the latent space to ranked crystals: the commands generate and reconstruct."""
