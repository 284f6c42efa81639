"""The bootstrap intervals that ``evaluation.json`` does not hold, from the structures that it sums up."""

import copy

from repro.evaluation.metrics import bootstrap_interval

_VAE = ("density_mse", "kld")
_SEED = 0


def with_intervals(evaluation: dict, measured: dict) -> dict:
    """Return a summary of ``evaluation.json`` with 95 % intervals of more of its means, as ``NAME_interval``.

    Of the VAE ``density_mse``, ``kld`` and ``lattice_error`` (one interval per axis); of the routes ``species_right``
    and ``exact_fraction``, shares of all structures. ``measured`` are the structures of ``evaluation_structures.json``;
    without them nothing is added.
    """
    found = copy.deepcopy(evaluation)
    for model, entries in measured.get("vae", {}).items():
        for family, part in found["vae"].get(model, {}).items():
            members = _of(entries, family)
            part |= {f"{name}_interval": _interval([entry[name] for entry in members]) for name in _VAE}
            errors = zip(*(entry["lattice_error"] for entry in members), strict=True)
            part["lattice_error_interval"] = [_interval(list(axis)) for axis in errors]
    for route, entries in measured.get("routes", {}).items():
        for family, part in found["routes"].get(route, {}).items():
            members = _of(entries, family)
            right = [entry.get("species_right") or 0.0 for entry in members]
            part["species_right_interval"] = _interval(right)
            part["exact_fraction_interval"] = _interval([float(entry.get("exact", False)) for entry in members])
    return found


def _of(entries: list[dict], family: str) -> list[dict]:
    return [entry for entry in entries if family in ("all", entry["family"])]


def _interval(values: list[float]) -> list[float] | None:
    return list(bootstrap_interval(values, _SEED)) if len(values) > 1 else None
