"""python -m repro publish-generator: a finished run's generator, with its numbers, into the project."""

from pathlib import Path

from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.files.json_files import read_json
from models.decoding import Way
from repro.evaluation.results import OURS, PAPERS_WATERSHED, SUMMARY, TRUE_MAP, route
from repro.network_folders import (
    GENERATOR,
    PEROV5_GENERATOR,
    copy_networks,
    damaged,
    identity_of_networks,
    read_manifest,
    unet_beside,
)
from repro.run import PUBLISHED, Run
from repro.stages import identity_of
from repro.training.training_record import write_record

FACTS = ("preset", "source", "split", "training")  # of the manifest
_COMPARED = ("emd", "delta_n", "species_right", "exact_fraction")
_COMPARED_ROUTES = {
    "by_vote": route(OURS, "vote"),
    "by_vote_with_the_papers_watershed": route(OURS, PAPERS_WATERSHED),
    "by_fit": route(OURS, "fit"),
    "true_maps_by_vote": route(TRUE_MAP, "vote"),
    "true_maps_by_vote_with_the_papers_watershed": route(TRUE_MAP, PAPERS_WATERSHED),
    "true_maps_by_fit": route(TRUE_MAP, "fit"),
}


def publish_generator(run: Run, to: Path | None = None) -> None:
    """Publish a run's generator with the record of its training, and its evaluation.

    Of any crystal there is no evaluation, which is by family: the benchmark ``perov5`` measures such generators and
    publishes their numbers. Raises InputError, with nothing written, when one of them has not been made, is of other
    networks or cannot be read.
    """
    manifest = read_manifest(run.folder("generator"))
    if missing := [name for name in FACTS if name not in manifest]:
        raise damaged(run.folder("generator"), KeyError(missing[0]))
    if run.preset.data.any_crystal:
        target = to or PEROV5_GENERATOR
        _copy(run, target)
        measure = f"python -m experiments perov5 --preset {run.preset.name} --source {run.source} --run {run.name}"
        numbers = f"'{measure} --publish' writes {PUBLISHED / 'perov5.json'}"
    else:
        measured = _measured(run) | {name: manifest[name] for name in FACTS}
        target = to or GENERATOR
        _copy(run, target)
        numbers = PUBLISHED / (to.name if to else "") / "evaluation.json"
        write_json(numbers, measured)
    print(f"Networks: {target} and {unet_beside(target)}; numbers: {numbers}")


def _copy(run: Run, target: Path) -> None:
    """Copy the generator, and its UNet if it was trained in this run or none lies beside ``target``; the UNet first."""
    networks, unet = run.folder("generator"), unet_beside(target)
    trained = not run.preset.unet_training.published
    if trained or identity_of_networks(unet) == "missing":
        copy_networks(unet_beside(networks), unet)
    if trained:
        write_record(unet, run, {"train-unet": ""})
    copy_networks(networks, target)
    write_record(target, run, {"train-vae": ""})


def _measured(run: Run) -> dict:
    """Return the ``evaluation`` of a run; raises InputError naming what is missing, stale or damaged."""
    for stage in ("evaluate", "generate"):
        identity_of(stage, run)
    measured, generated = run.results / SUMMARY, run.results / "generate/summary.json"
    found = [read_json(path, "run make evaluate generate") for path in (measured, generated)]
    try:
        return evaluation(*found, run.preset.generate.way)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{measured} or {generated} lacks something ({type(error).__name__}: {error}): "
            "run make evaluate generate again."
        ) from error


def evaluation(measured: dict, generated: dict, way: Way) -> dict:
    """Return the metrics of the published models on the held-out formulas, over all and per family.

    ``measured`` and ``generated`` are what the stages evaluate and generate wrote. Sites and species are those of the
    ``way`` that generation uses; those of the others stand beside them.
    """
    families = [name for name in measured["vae"][OURS] if name != "all"]
    shares = {"valid_random": generated["random"], "valid_around_base": generated["around a base"]}
    return _metrics(measured, "all", way) | {
        **{name: group["valid_share"] for name, group in shares.items()},
        "nonzero_recall": measured["unet"]["nonzero_recall"],
        "nonzero_recall_argmax": measured["unet"]["nonzero_recall_argmax"],
        "f1_masked": measured["unet"]["f1_masked"],
        "counts": {
            "structures": measured["vae"][OURS]["all"]["count"],
            "occupied_voxels": measured["unet"]["occupied_voxels"],
            **{name: group["samples"] for name, group in shares.items()},
        },
        "way": way,
        "elements": measured["elements"].get(route(OURS, way), {}),
        "families": {family: _metrics(measured, family, way) for family in families},
    }


def _metrics(measured: dict, group: str, way: Way) -> dict:
    vae, used = measured["vae"][OURS][group], measured["routes"][route(OURS, way)][group]

    routes = {
        name: measured["routes"][key][group] for name, key in _COMPARED_ROUTES.items() if key in measured["routes"]
    }
    with_intervals = [key for name in _COMPARED for key in (name, f"{name}_interval")]
    return {
        "vae_mse": vae["mse"],
        "density_mse": vae["density_mse"],
        "kld": vae["kld"],
        **dict(zip(("lattice_mae_a", "lattice_mae_b", "lattice_mae_c"), vae["lattice_error"], strict=True)),
        "emd": used.get("emd"),
        "delta_nsites": used.get("delta_n"),
        "species_right": used["species_right"],
        "exact_fraction": used["exact_fraction"],
        **{f"{name}_interval": used.get(f"{name}_interval") for name in ("emd", "exact_fraction")},
        **{name: {key: found.get(key) for key in with_intervals} for name, found in routes.items()},
    }
