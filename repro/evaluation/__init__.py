"""The errors of the networks: on held-out crystals (the stage evaluate) and on your own (the command reconstruct)."""
