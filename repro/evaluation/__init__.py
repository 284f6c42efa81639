"""The stage evaluate: the networks on the held-out crystals."""
