"""python -m repro.bench: the speed of each leg on this machine."""
