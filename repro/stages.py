"""The stages by name: what each reads, what its result depends on, and how it is run once."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from data_prep.embedded import TABLE as EMBEDDED
from data_prep.errors import InputError
from data_prep.files.atomic import remove_unfinished
from data_prep.files.checksum import file_sha256, files_sha256, remembered_sha256
from repro import stamps
from repro.backend import start_backend
from repro.locks import making, reading
from repro.network_folders import MANIFEST, PROPERTY_NETWORKS, PUBLISHED_UNET, identity_of_networks
from repro.released.released_files import identity_of_released
from repro.run import Run

PARTS = "parts"  # of a stage's folder: finished batches, from which a killed stage goes on
WEIGHTS = "best.weights.h5*"  # of a training's folder, whole or in parts


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline.

    ``function`` is ``module:name`` (imported when it runs: not every stage needs TensorFlow); ``needs`` are the
    stages it reads; ``config`` gives what else of the run its result depends on, files outside the run by their
    checksums. ``spares`` names the stages that a run does not read after all. A ``verified`` stage is run again even
    when it is done, because it checks and mends its own files; one without ``networks`` does not start Keras.
    ``made`` is a pattern of the files in its folder that stand for its networks: other ones make later stages stale.
    """

    function: str
    needs: tuple[str, ...]
    config: Callable[[Run], dict]
    help: str
    spares: Callable[[Run], tuple[str, ...]] = lambda run: ()
    verified: bool = False
    networks: bool = True
    made: str = ""

    def reads(self, run: Run) -> tuple[str, ...]:
        """Return the stages whose results this one depends on in ``run``."""
        return tuple(name for name in self.needs if name not in self.spares(run))

    def run(self, run: Run) -> dict:
        """Call the stage's function and return its counts."""
        module, name = self.function.split(":")
        if self.networks:
            start_backend()
        return getattr(import_module(module), name)(run)


def _source(run: Run) -> dict:
    return {"source": run.source, "content": _source_identity(run.source), "seed": run.preset.seed}


def _source_identity(source: str) -> str:
    """A source file or folder counts by its content, a service by its name."""
    path = EMBEDDED if source == "embedded" else Path(source)
    if path.is_file():
        return remembered_sha256(path)
    if path.is_dir():
        from data_prep.sources.frames import visible_files  # with pymatgen, which other sources do without here

        return files_sha256(path, visible_files(path))
    return source


def _ranking(run: Run) -> dict:
    """Published property networks count by their checksums: replaced ones make a generation stale."""
    published = run.preset.generate.networks == "published"
    return {"property_networks": identity_of_networks(PROPERTY_NETWORKS)} if published else {}


def _training_of_unet(run: Run) -> dict:
    """A UNet that comes with the project counts by its checksum, like published property networks."""
    training = run.preset.unet_training
    published = {"published_unet": identity_of_networks(PUBLISHED_UNET)} if training.published else {}
    return asdict(run.preset.unet) | asdict(training) | {"seed": run.preset.seed} | published


STAGES = {
    "data": Stage(
        "repro.training.prepare:data",
        (),
        lambda run: asdict(run.preset.data) | {"conditions": run.preset.vae.conditions} | _source(run),
        "read the crystals of a source, quarantine what cannot be used, split",
        networks=False,
    ),
    "voxelize": Stage(
        "repro.training.prepare:voxelize",
        ("data",),
        lambda run: asdict(run.preset.voxels),
        "draw every crystal as density and species maps, into NPZ shards",
        verified=True,
        networks=False,
    ),
    "train-unet": Stage(
        "repro.training.train_unet:train_unet",
        ("voxelize",),
        _training_of_unet,
        "train the UNet that finds elements and atoms in a map",
        made=WEIGHTS,
    ),
    "train-vae": Stage(
        "repro.training.train_vae:train_vae",
        ("voxelize", "train-unet"),
        lambda run: asdict(run.preset.vae) | asdict(run.preset.vae_training) | {"seed": run.preset.seed},
        "train the Cond-DFC-VAE, with the UNet as its perceptual model",
        spares=lambda run: () if run.preset.vae.alpha else ("train-unet",),
        made=WEIGHTS,
    ),
    "generator": Stage(
        "repro.generation.gather_generator:gather_generator",
        ("train-unet", "train-vae"),
        lambda run: asdict(run.preset.generate) | {"watershed": asdict(run.preset.watershed)},
        "gather the VAE, the UNet and what the training crystals teach into one folder",
        made=MANIFEST,
    ),
    "graphs": Stage(
        "repro.properties.property_data:graphs",
        (),
        lambda run: (
            asdict(run.preset.property_data)
            | {"radius": run.preset.cgcnn.radius, "neighbours": run.preset.cgcnn.neighbours}
            | _source(run)
        ),
        "read crystals of every kind, build their graphs, gather the labels of eight properties, split",
        networks=False,
    ),
    "train-cgcnn": Stage(
        "repro.properties.train_properties:train_cgcnn",
        ("graphs",),
        lambda run: asdict(run.preset.cgcnn) | asdict(run.preset.cgcnn_training) | {"seed": run.preset.seed},
        "train the crystal graph networks on every property that the source has labels for",
        made=f"*/{WEIGHTS}",
    ),
    "properties": Stage(
        "repro.properties.train_properties:gather_properties",
        ("train-cgcnn",),
        lambda run: {},
        "gather the property networks and what they saw in training into one folder",
        made=MANIFEST,
    ),
    "evaluate-properties": Stage(
        "repro.properties.evaluate_properties:evaluate_properties",
        ("properties",),
        lambda run: {"released": identity_of_released(run.shared)},
        "measure the property networks, and the released ones, on the held-out crystals",
    ),
    "evaluate": Stage(
        "repro.evaluation.evaluate:evaluate",
        ("generator",),
        lambda run: asdict(run.preset.evaluate) | {"released": identity_of_released(run.shared)},
        "measure the networks on the held-out crystals",
    ),
    "generate": Stage(
        "repro.generation.generate:generate",
        ("generator", "properties"),
        lambda run: asdict(run.preset.generate) | {"seed": run.preset.seed} | _ranking(run),
        "sample new crystals around a base compound or at random: CIFs and a ranked CSV",
        spares=lambda run: ("properties",) if run.preset.generate.networks == "published" else (),
    ),
}


def run_stage(name: str, run: Run, again: bool = False, make: Callable[[Run], dict] | None = None) -> None:
    """Run one stage unless it is done; ``again`` makes it anew, from the beginning, in a folder of the run's own.

    ``make`` writes the result in place of the stage's own function, and returns its counts; what was there before is
    its own to remove.
    Raises InputError when an earlier stage is missing or stale, or when another process makes or uses the folder.
    """
    stage, folder = STAGES[name], run.folder(name)
    with reading([run.folder(earlier) for earlier in earlier_stages(name, run)]):
        inputs = {needed: identity_of(needed, run) for needed in stage.reads(run)}
        config = stage.config(run)
        if not (again or stage.verified) and stamps.read(folder):
            stamps.begin(folder, config, inputs)
            print(f"{name}: up to date in {folder} (--again makes it anew).")
            return
        if again and folder.is_symlink():
            folder.unlink()  # it is shared with another run, whose result stays
        with making(folder):
            if again and make:
                stamps.withdraw(folder, config, inputs)
            elif again:
                stamps.empty(folder)
            remove_unfinished(folder)
            stamps.begin(folder, config, inputs)
            print(f"{name}: {stage.help if make is None else 'taken from elsewhere'}; output in {folder}", flush=True)
            started = time.perf_counter()
            counts = (make or stage.run)(run)
            seconds = time.perf_counter() - started
            stamps.finish(folder, config, inputs, seconds, counts, _made(stage, folder))
            print(f"{name}: done in {seconds:.0f} s.", flush=True)


def _made(stage: Stage, folder: Path) -> dict[str, str]:
    """Return the checksums of the files that stand for the networks of a stage, by their names."""
    files = sorted(folder.glob(stage.made)) if stage.made else []
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def earlier_stages(name: str, run: Run) -> list[str]:
    """Return every stage that ``name`` depends on, directly or not, in the order in which they are made."""
    found: dict[str, None] = {}
    for needed in STAGES[name].reads(run):
        found |= dict.fromkeys([*earlier_stages(needed, run), needed])
    return list(found)


def finished_folders(run: Run, but: str = "") -> list[Path]:
    """Return the folders of the stages that ``run`` has finished, ``but`` one; raises InputError at a damaged stamp.

    One that is being made for the first time, or anew, has no stamp.
    """
    return [run.folder(name) for name in STAGES if name != but and stamps.read(run.folder(name))]


def identity_of(name: str, run: Run) -> str:
    """Return the identity of a finished stage, having checked that it is not stale itself."""
    folder = run.folder(name)
    stamp = stamps.read(folder)
    if stamp is None:
        raise InputError(f"{folder} has no finished result: run the stage '{name}' first.")
    inputs = {needed: identity_of(needed, run) for needed in STAGES[name].reads(run)}
    stamps.begin(folder, STAGES[name].config(run), inputs)
    return stamp["identity"]
