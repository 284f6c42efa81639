"""Questions about a crystal structure that need no network: validity, symmetry, matches, CIF text.

Nothing here imports Keras: worker processes import these modules, and each would start TensorFlow.
"""
