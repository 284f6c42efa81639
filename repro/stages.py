"""The stages by name: what each reads, what its result depends on, and how it is run once."""

import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from data_prep.embedded import TABLE as EMBEDDED
from data_prep.errors import InputError
from data_prep.files.atomic import remove_unfinished
from data_prep.files.checksum import file_sha256
from repro import stamps
from repro.backend import start_backend
from repro.locks import making, reading
from repro.run import Run


@dataclass(frozen=True)
class Stage:
    """One leg of the way.

    ``function`` is ``module:name`` (imported when it runs: not every stage needs TensorFlow);
    ``needs`` are the stages it reads; ``config`` gives what of the run it depends on besides them.
    ``spares`` names those that a run does not read after all. A ``verified`` stage is run again even
    when it is done, because it checks and mends its own files; one without ``networks`` does not start
    Keras. ``on_demand`` tells from the options that the user wants something of his own: it is made on
    top of the finished stages and leaves no stamp.
    """

    function: str
    needs: tuple[str, ...]
    config: Callable[[Run], dict]
    help: str
    spares: Callable[[Run], tuple[str, ...]] = lambda run: ()
    verified: bool = False
    networks: bool = True
    on_demand: Callable[[Namespace], bool] = lambda options: False

    def reads(self, run: Run) -> tuple[str, ...]:
        """Return the stages whose results this one depends on in ``run``."""
        return tuple(name for name in self.needs if name not in self.spares(run))

    def run(self, run: Run, options: Namespace) -> dict:
        """Call the stage's function and return its counts."""
        module, name = self.function.split(":")
        if self.networks:
            start_backend()
        return getattr(import_module(module), name)(run, options)


def _source_identity(run: Run) -> str:
    """A source file counts by its content, a folder by its listing, a service by its name."""
    path = EMBEDDED if run.source == "embedded" else Path(run.source)
    if path.is_file():
        return file_sha256(path)
    if path.is_dir():
        return " ".join(f"{item.name}:{item.stat().st_size}" for item in sorted(path.iterdir()))
    return run.source


STAGES = {
    "data": Stage(
        "repro.training.prepare:data",
        (),
        lambda run: (
            asdict(run.preset.data) | {"source": run.source, "content": _source_identity(run), "seed": run.preset.seed}
        ),
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
        lambda run: asdict(run.preset.unet) | asdict(run.preset.unet_feed) | {"seed": run.preset.seed},
        "train the UNet that finds elements and atoms in a map",
    ),
    "train-vae": Stage(
        "repro.training.train_vae:train_vae",
        ("voxelize", "train-unet"),
        lambda run: asdict(run.preset.vae) | asdict(run.preset.feed) | {"seed": run.preset.seed},
        "train the Cond-DFC-VAE, with the UNet as its perceptual model",
        spares=lambda run: () if run.preset.vae.alpha else ("train-unet",),
    ),
    "graphs": Stage(
        "repro.properties.data:graphs",
        (),
        lambda run: (
            asdict(run.preset.property_data)
            | {"radius": run.preset.cgcnn.radius, "neighbours": run.preset.cgcnn.neighbours}
            | {"source": run.source, "content": _source_identity(run), "seed": run.preset.seed}
        ),
        "read crystals of every kind, draw their graphs, gather the labels of eight properties, split",
        networks=False,
    ),
    "train-cgcnn": Stage(
        "repro.properties.train:train_cgcnn",
        ("graphs",),
        lambda run: asdict(run.preset.cgcnn) | {"seed": run.preset.seed},
        "train the crystal graph networks on every property that the source has labels for",
    ),
    "evaluate-properties": Stage(
        "repro.properties.evaluate:evaluate_properties",
        ("train-cgcnn",),
        lambda run: {},
        "measure the property networks, and the released ones, on the held-out crystals",
    ),
    "evaluate": Stage(
        "repro.evaluation.evaluate:evaluate",
        ("train-unet", "train-vae"),
        lambda run: asdict(run.preset.evaluate),
        "measure the networks on the held-out crystals",
    ),
    "generate": Stage(
        "repro.generation.generate:generate",
        ("train-unet", "train-vae", "train-cgcnn"),
        lambda run: asdict(run.preset.generate) | {"seed": run.preset.seed},
        "sample new crystals around a base compound or at random: CIFs and a ranked CSV",
        spares=lambda run: ("train-cgcnn",) if run.preset.generate.networks == "published" else (),
        on_demand=lambda options: bool(options.base or options.random),
    ),
    "report": Stage(
        "experiments.reporting.report:report",
        (),  # it says itself which part has not been run
        lambda run: {},
        "write results/RUN/report.html and report.md from what has been measured",
        verified=True,
        networks=False,
    ),
}


def run_stage(name: str, run: Run, options: Namespace) -> None:
    """Run one stage unless it is done.

    Raises InputError when an earlier stage is missing or stale, or when another process makes or uses the folder.
    """
    stage, folder = STAGES[name], run.folder(name)
    with reading([run.folder(earlier) for earlier in _earlier(name, run)]):
        inputs = {needed: identity_of(needed, run) for needed in stage.reads(run)}
        if stage.on_demand(options):
            stage.run(run, options)
            return
        config = stage.config(run)
        if not (options.again or stage.verified) and stamps.read(folder):
            stamps.begin(folder, config, inputs)
            print(f"{name}: up to date in {folder} (--again makes it anew).")
            return
        with making(folder):
            if options.again:
                stamps.withdraw(folder, config, inputs)
            remove_unfinished(folder)
            stamps.begin(folder, config, inputs)
            print(f"{name}: {stage.help}; output in {folder}", flush=True)
            started = time.perf_counter()
            counts = stage.run(run, options)
            seconds = time.perf_counter() - started
            stamps.finish(folder, config, inputs, seconds, counts)
            print(f"{name}: done in {seconds:.0f} s.", flush=True)


def _earlier(name: str, run: Run) -> list[str]:
    """Return every stage that ``name`` depends on, directly or not."""
    found: dict[str, None] = {}
    for needed in STAGES[name].reads(run):
        found |= dict.fromkeys([*_earlier(needed, run), needed])
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
