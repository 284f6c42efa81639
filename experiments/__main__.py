"""python -m experiments NAME --preset P --source S --run RUN: one command per table, figure and measurement."""

import argparse
import signal
import sys

import repro  # noqa: F401  (sets TensorFlow's switches before anything imports it)
from data_prep.errors import InputError, sentence
from data_prep.files.json_files import read_json
from experiments.registry import EXPERIMENTS, Experiment
from experiments.run_options import add_run_options, run_of
from repro.locks import reading
from repro.run import PUBLISHED


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


def main(arguments: list[str] | None = None) -> int:
    """Run one experiment and return its exit code: 0, 1 if its numbers do not agree, 2 with one sentence."""
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped as by Control-C
    try:
        return make(EXPERIMENTS[options.experiment], options)
    except (InputError, OSError) as error:
        print(sentence(error), file=sys.stderr)
    except KeyboardInterrupt:
        print(
            f"\n{options.experiment} was stopped; the same command goes on from the last completed step.",
            file=sys.stderr,
        )
    return 2


def make(experiment: Experiment, options: argparse.Namespace) -> int:
    """Compute an experiment, or read what it has stored; render it, print it and return the exit code."""
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
    return int(experiment.failed(data))


if __name__ == "__main__":
    sys.exit(main())
