"""What can be asked of a crystal structure without a network: validity, symmetry, matches, CIF text."""
