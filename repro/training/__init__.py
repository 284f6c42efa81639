"""From a source to trained networks: the stages data, voxelize, train-unet, train-vae."""
