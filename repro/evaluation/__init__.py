"""The stage evaluate: how well the networks do on the held-out crystals."""
