"""Relaxations of crystals after they were generated: Quantum ESPRESSO, or CHGNet as its fast surrogate."""
