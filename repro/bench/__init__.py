"""python -m repro.bench: how fast each leg is on this machine."""
