"""Every table, figure and measurement by name: what it reads and what can be asked of it.

The modules are imported when they run, so that a list of the names starts no TensorFlow.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from data_prep.errors import InputError
from repro.relaxation.calculation_options import add_options as add_calculation_options
from repro.relaxation.calculation_options import calculator_of, chosen_options
from repro.run import RESULTS, Run


@dataclass(frozen=True)
class Experiment:
    """One command of ``python -m experiments``.

    Its ``module`` (default: of the same name) holds ``from_run(run, ...) -> data``, which reads what the stages left
    and calls ``compute``; ``render(data, path) -> files written``, ``path`` without suffix; and ``text(data)``, what
    the command prints. ``needs`` are the stages whose folders it reads; they are locked for reading meanwhile. The
    files lie in ``folder`` (default: results/RUN) under ``file_name`` (default: the module's name). ``arguments`` turns
    the options that ``add_options`` added into the keyword arguments of ``from_run``. An experiment that ``redraws``
    keeps its data as JSON and can draw them again; one that ``publishes`` can write into results/published as well.
    If the data have ``failed``, the command ends with exit code 1.
    """

    name: str
    help: str
    needs: tuple[str, ...] = ()
    folder: Path | None = None
    file_name: str = ""
    module: str = ""
    redraws: bool = False
    publishes: bool = False
    add_options: Callable[[argparse.ArgumentParser], None] = lambda command: None
    arguments: Callable[[argparse.Namespace], dict[str, Any]] = lambda options: {}
    failed: Callable[[Any], bool] = lambda data: False

    def path(self, run: Run) -> Path:
        """Return the path of the experiment's files, without suffix."""
        return (self.folder or run.results) / self.stem

    @property
    def stem(self) -> str:
        """The name of its files without suffix."""
        return self.file_name or self.name.replace("-", "_")

    def load(self) -> ModuleType:
        """Import the experiment's module."""
        return import_module(self.module or f"experiments.{self.name.replace('-', '_')}")


def _to(command: argparse.ArgumentParser) -> None:
    command.add_argument("--to", type=Path, help="folder (default: results/published)")


def _general(command: argparse.ArgumentParser) -> None:
    command.add_argument("--general", help="a source with crystals of every kind, to look for other polymorphs in")


def _seeds(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seeds", type=int, default=1, help="how often each ablation is trained (default: 1)")


def _sample(command: argparse.ArgumentParser) -> None:
    command.add_argument("--count", type=int, default=200, help="how many crystals are relaxed (default: 200)")
    command.add_argument("--seed", type=int, default=0, help="seed of the sample and of the strain (default: 0)")
    add_calculation_options(command)


def _part(command: argparse.ArgumentParser) -> None:
    command.add_argument("--count", type=int, default=80, help="samples of each way (default: 80)")
    add_calculation_options(command)


def _sample_of(options: argparse.Namespace) -> dict[str, Any]:
    if options.dft:
        raise InputError("--dft is not for this command, which measures CHGNet's error: leave it out (DFT=).")
    return {"calculator": calculator_of(options), "count": options.count, "seed": options.seed}


def _known(command: argparse.ArgumentParser) -> None:
    command.add_argument("--crystals", nargs="+", metavar="FORMULA", help="which of them (default: NaCl MgO NiAl)")
    add_calculation_options(command, d2=False)  # the literature's PBE is without


def _benchmark(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, help="folder of Matbench's files, matbench_*.json.gz")
    command.add_argument("--task", nargs="+", default=(), metavar="NAME", help="which of them (default: all there)")
    command.add_argument("--folds", type=int, default=5, help="how many of the five folds (default: 5)")


def _perovskites(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--generator", type=Path, nargs="+", default=[], dest="generators", metavar="DIR",
        help="folders of generators (default: the run's; with --test: weights/perov5)",
    )  # fmt: skip
    command.add_argument("--test", type=Path, help="table in CDVAE's format (default: the run's held-out crystals)")
    command.add_argument(
        "--samples", type=int, nargs="+", default=[10_000],
        help="how many crystals each generator makes, one number for all or one for each (default: 10000)",
    )  # fmt: skip
    command.add_argument("--limit", type=int, default=0, help="reconstruct only the first N rows (default: all)")
    command.add_argument("--seed", type=int, default=0, help="seed of the samples (default: 0)")


def _perovskites_of(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ("generators", "test", "samples", "limit", "seed")}


def _repeats(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seeds", type=int, default=3, help="how often the generator is sampled (default: 3)")
    command.add_argument("--samples", type=int, default=300, help="random samples of each seed, or 0 (default: 300)")
    command.add_argument("--around", type=int, default=25, help="samples around each base, or 0 (default: 25)")
    command.add_argument("--generator", type=Path, metavar="DIR", help="folder of a generator (default: the run's)")
    command.add_argument("--train", type=int, default=1, help="trainings of the property networks (default: 1)")


def _repeats_of(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ("seeds", "samples", "around", "generator", "train")}


_REPORT, _PUBLISH_REPORT = "experiments.reporting.report", "experiments.reporting.publish_report"
_LATENT = ("data", "voxelize", "generator")
_GENERATED = ("data", "generate")
EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        Experiment("table1", "Table 1: eight properties on the held-out crystals", ("evaluate-properties",)),
        Experiment("table2", "Table 2: samples around bases through the paper's filters", _GENERATED, redraws=True),
        Experiment(
            "table3",
            "Table 3: those candidates relaxed with CHGNet or pw.x",
            add_options=add_calculation_options,
            arguments=lambda options: {"make_calculator": partial(calculator_of, options)},
        ),
        Experiment(
            "table4",
            "Table 4: candidates that were known but not trained on",
            _GENERATED,
            redraws=True,
            add_options=_general,
            arguments=lambda options: {"general": options.general},
        ),
        Experiment(
            "table5",
            "Table 5: three ablations, trained anew for each seed",
            publishes=True,
            add_options=_seeds,
            arguments=lambda options: {"seeds": options.seeds},
        ),
        Experiment("table6", "Table 6: the code's hyperparameters and the paper's"),
        Experiment(
            "figure2",
            "Figure 2: latent dimensions, interpolations, an A-site",
            _LATENT,
        ),
        Experiment("figure3", "Figure 3: t-SNE of the encoded training structures", _LATENT),
        Experiment("figure4", "Figure 4: errors of lattice and sites, held-out crystals", ("evaluate",)),
        Experiment("figure5", "Figure 5: predicted against true properties", ("evaluate-properties",)),
        Experiment("figure6", "Figure 6: validity, types and energies of random samples", _GENERATED, redraws=True),
        Experiment("figure7", "Figure 7: generated crystals of each family", _GENERATED, redraws=True),
        Experiment(
            "novelty",
            "uniqueness, novelty, symmetry, density of new crystals",
            _GENERATED,
            redraws=True,
        ),
        Experiment(
            "discovery",
            "stable, unique and new samples, as predicted and relaxed",
            _GENERATED,
            redraws=True,
            add_options=_part,
            arguments=lambda options: {"relaxation": chosen_options(options), "count": options.count},
        ),
        Experiment(
            "calibration",
            "spread of the formation-energy networks and their error",
            ("evaluate-properties",),
        ),
        Experiment("slices", "true and reconstructed density maps of a few crystals", _LATENT),
        Experiment(
            "surrogate-error",
            "CHGNet's own error on real crystals of the source",
            file_name="surrogate",
            add_options=_sample,
            arguments=_sample_of,
        ),
        Experiment(
            "known-crystals",
            "NaCl, MgO and NiAl relaxed, beside the literature",
            folder=RESULTS,
            add_options=_known,
            arguments=lambda options: {"calculator": calculator_of(options), "crystals": options.crystals},
            failed=lambda found: not all(row.get("agrees") for row in found["crystals"]),
        ),
        Experiment(
            "matbench",
            "five tasks of Matbench v0.1 on its own folds, from files that you have",
            add_options=_benchmark,
            arguments=lambda options: {"data": options.data, "tasks": options.task, "folds": options.folds},
        ),
        Experiment(
            "perov5",
            "generators on CDVAE's protocol for Perov-5, beside its rivals",
            folder=RESULTS,
            publishes=True,
            add_options=_perovskites,
            arguments=_perovskites_of,
        ),
        Experiment(
            "published-trainings",
            "how the networks that come with the project were trained",
            folder=RESULTS,
            file_name="trainings",
            redraws=True,
            publishes=True,
        ),
        Experiment(
            "seeds",
            "headline numbers over seeds of sampling and of training",
            ("data", "generator"),
            publishes=True,
            add_options=_repeats,
            arguments=_repeats_of,
        ),
        Experiment("report", "report.html and report.md of what has been measured", module=_REPORT),
        Experiment(
            "publish-report",
            "copy a run's report to results/published",
            module=_PUBLISH_REPORT,
            add_options=_to,
            arguments=lambda options: {"to": options.to},
        ),
        Experiment("deviations", "docs/deviations.md: every choice that is not the paper's", folder=Path("docs")),
    )
}
