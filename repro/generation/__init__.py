"""From the latent space to ranked crystals: the stage and the command generate."""
