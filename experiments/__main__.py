"""python -m experiments NAME --preset P --source S --run RUN: one command per table, figure and measurement."""

import argparse

import repro  # noqa: F401  (sets TensorFlow's switches before anything imports it)
from data_prep.exits import stopping
from data_prep.files.json_files import read_json
from experiments.registry import EXPERIMENTS, Experiment
from repro.locks import reading
from repro.run import PUBLISHED
from repro.run_options import add_run_options, run_of


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    main = argparse.ArgumentParser(
        prog="python -m experiments",
        description="The paper's tables and figures from what a run has left, and a few measurements beside them.",
    )
    commands = main.add_subparsers(dest="experiment", required=True, metavar="NAME")
    for experiment in EXPERIMENTS.values():
        help = experiment.help
        command = commands.add_parser(experiment.name, help=help, description=f"{help[0].upper()}{help[1:]}.")
        add_run_options(command)
        experiment.add_options(command)
        if experiment.redraws:
            command.add_argument("--redraw", action="store_true", help="only draw what is stored from the last time")
        if experiment.publishes:
            command.add_argument("--publish", action="store_true", help="also into results/published")
    return main


def main(arguments: list[str] | None = None) -> None:
    """Run one experiment; leave with 1 if its numbers do not agree, with 2 and a sentence on a user's mistake."""
    options = parser().parse_args(arguments)
    with stopping(options.experiment):
        agrees = make(EXPERIMENTS[options.experiment], options)
    if not agrees:
        raise SystemExit(1)


def make(experiment: Experiment, options: argparse.Namespace) -> bool:
    """Compute an experiment, or read what it has stored; render it, print it and return whether its numbers agree."""
    run, module = run_of(options), experiment.load()
    path = experiment.path(run)
    redraw, publish = (vars(options).get(name, False) for name in ("redraw", "publish"))
    with reading([] if redraw else [run.folder(stage) for stage in experiment.needs]):
        if redraw:
            data = read_json(path.with_suffix(".json"), f"run 'make {experiment.name}'")
        else:
            data = module.from_run(run, **experiment.arguments(options))
        files = module.render(data, path)
    if publish:
        files += module.render(data, PUBLISHED / experiment.stem)
    print(module.text(data))
    if files:
        print(f"{experiment.name}: {', '.join(map(str, files))}")
    return not experiment.failed(data)


if __name__ == "__main__":
    main()
