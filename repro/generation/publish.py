"""python -m repro publish-generator: a finished run's VAE and UNet, with their numbers, into the project."""

from pathlib import Path

from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.files.json_files import read_json
from repro import stamps
from repro.generation.generator import GENERATOR_WEIGHTS, publish_generator
from repro.run import PUBLISHED, Run

ROUTE = "ours, fit"  # the decoder that generation uses
ARGMAX = "ours, unet"  # the paper's


def publish_run(run: Run, to: Path | None) -> None:
    """Publish a run's generator and its evaluation.

    Raises InputError, with nothing written, when one of them has not been made or cannot be read.
    """
    facts = {
        "preset": run.preset.name,
        "source": run.source_name,
        "split": {"by": run.preset.data.split_by, "seed": run.preset.seed},
        "training": {stage: _counts(run, stage) for stage in ("train-unet", "train-vae")},
    }
    numbers = _numbers(run.results / "evaluation.json", run.results / "generate/summary.json") | facts
    publish_generator(run, to or GENERATOR_WEIGHTS, facts)
    results = PUBLISHED / (to.name if to else "")
    write_json(results / "evaluation.json", numbers)
    print(f"Networks: {to or GENERATOR_WEIGHTS}; numbers: {results / 'evaluation.json'}")


def _counts(run: Run, stage: str) -> dict:
    """Return what a stage counted of its training."""
    stamp = stamps.read(run.folder(stage))
    if stamp is None or "counts" not in stamp:
        raise InputError(f"{run.folder(stage)} holds no finished training: run make {stage} first.")
    return stamp["counts"]


def _numbers(measured: Path, generated: Path) -> dict:
    found = [read_json(path, "run make evaluate generate") for path in (measured, generated)]
    try:
        return evaluation(*found)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{measured} or {generated} lacks something ({type(error).__name__}: {error}): "
            "run make evaluate generate again."
        ) from error


def evaluation(measured: dict, generated: dict) -> dict:
    """Return the metrics of the published models on the held-out formulas, over all and per family.

    ``measured`` and ``generated`` are what the stages evaluate and generate wrote. Sites and species are
    those of the decoder that generation uses; the paper's way (arg-max of the UNet) stands beside them.
    """
    families = [name for name in measured["vae"]["ours"] if name != "all"]
    shares = {"valid_random": generated["random"], "valid_around_base": generated["around a base"]}
    return _metrics(measured, "all") | {
        **{name: group["valid_share"] for name, group in shares.items()},
        "nonzero_recall": measured["unet"]["nonzero_recall"],
        "nonzero_recall_argmax": measured["unet"]["nonzero_recall_argmax"],
        "counts": {
            "structures": measured["vae"]["ours"]["all"]["count"],
            "occupied_voxels": measured["unet"]["occupied_voxels"],
            **{name: group["samples"] for name, group in shares.items()},
        },
        "elements": measured["elements"][ROUTE],
        "families": {family: _metrics(measured, family) for family in families},
    }


def _metrics(measured: dict, group: str) -> dict:
    vae, route = measured["vae"]["ours"][group], measured["routes"][ROUTE][group]
    lattice = dict(zip(("lattice_mae_a", "lattice_mae_b", "lattice_mae_c"), vae["lattice_error"], strict=True))
    return {
        "vae_mse": vae["mse"],
        "density_mse": vae["density_mse"],
        "kld": vae["kld"],
        **lattice,
        "emd": route.get("emd"),
        "delta_nsites": route.get("delta_n"),
        "species_right": route["species_right"],
        "exact_fraction": route["exact_fraction"],
        "by_argmax": {name: measured["routes"][ARGMAX][group].get(name) for name in _COMPARED},
        "true_maps": {name: measured["routes"]["true map, fit"][group].get(name) for name in _COMPARED},
        "true_maps_by_argmax": {name: measured["routes"]["true map, unet"][group].get(name) for name in _COMPARED},
    }


_COMPARED = ("emd", "delta_n", "species_right", "exact_fraction")
