"""python -m repro.released: the authors' released weights in our networks, compared and measured."""
