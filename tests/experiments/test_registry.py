"""``python -m experiments``: what it lists, what make knows of it, and how it ends after a mistake."""

import errno
import re
import subprocess
import sys

import pytest

from data_prep.errors import InputError, sentence
from experiments import figure2, latent_space, slices, table6
from experiments.__main__ import parser
from experiments.registry import EXPERIMENTS
from repro.stages import STAGES
from tests.conftest import ROOT
from tests.support.exit_code import run_experiment as main

FULL = OSError(errno.ENOSPC, "of another language", "results/a/table1.md")
NAMELESS = OSError("Unable to synchronously open file")  # as HDF5 says it
HEAVY = ("tensorflow", "keras", "matplotlib", "pymatgen", "sklearn")


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("a.json is not there: run b first."), "a.json is not there: run b first."),
        (InputError("vae.weights.h5 is damaged: train again."), "vae.weights.h5 is damaged: train again."),
        (FULL, "results/a/table1.md could not be read or written: No space left on device."),
        (NAMELESS, "A file could not be read or written: Unable to synchronously open file."),
    ],
)
def test_what_the_user_can_mend_is_one_sentence(capsys, monkeypatch, error, said):
    def fail(*_):
        raise error

    monkeypatch.setattr(table6, "render", fail)
    assert sentence(error) == said
    assert main(["table6"]) == 2 and capsys.readouterr().err == f"{said}\n"


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    def fail(*_):
        raise KeyError("rows")

    monkeypatch.setattr(table6, "compute", fail)
    with pytest.raises(KeyError):
        main(["table6"])


def test_results_that_cannot_be_written_are_named(tmp_path, capsys):
    (tmp_path / "results").touch()
    assert main(["table6"]) == 2
    error = capsys.readouterr().err
    assert "results/laptop" in error and error.count("\n") == 1


def test_the_list_has_a_line_for_each(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert stop.value.code == 0
    for name, experiment in EXPERIMENTS.items():
        assert f"{name} {experiment.help}" in text


def test_the_list_is_made_without_loading_what_it_lists():
    program = (
        "import sys; from experiments.__main__ import parser; parser(); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_has_its_module_and_the_options_of_a_run(name):
    module = EXPERIMENTS[name].load()
    assert all(callable(getattr(module, part)) for part in ("from_run", "render", "text"))
    options = parser().parse_args([name, "--preset", "smoke", "--source", "a", "--run", "b", "--shared", "c"])
    assert (options.preset, options.source, options.run, str(options.shared)) == ("smoke", "a", "b", "c")


def prerequisites() -> dict[str, list[str]]:
    """Return the prerequisites of each target of the Makefile that has a line of help."""
    lines = re.findall(r"^([a-z][a-z0-9-]*):([^#\n]*)## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {target: needed.split() for target, needed in lines}


def test_make_has_a_target_for_each_experiment_and_no_other():
    text = (ROOT / "Makefile").read_text()
    ruled = re.search(r"^EXPERIMENTS = ((?:.*\\\n)*.*)$", text, re.MULTILINE)[1].replace("\\\n", " ").split()
    assert set(ruled) == set(EXPERIMENTS) and len(ruled) == len(EXPERIMENTS)
    assert set(EXPERIMENTS) <= set(prerequisites())
    options = re.findall(r"^OPTIONS_([a-z0-9-]+) =", text, re.MULTILINE)
    assert set(options) <= set(EXPERIMENTS) | set(STAGES)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_make_runs_what_an_experiment_reads_first(name):
    every, before = prerequisites(), set()

    def follow(target: str) -> None:
        for needed in every.get(target, ()):
            before.add(needed)
            follow(needed)

    follow(name)
    assert set(EXPERIMENTS[name].needs) <= before & set(STAGES)


def test_what_is_stored_of_networks_is_of_those_that_are_read():
    for name, module in (("figure2", figure2), ("figure3", latent_space), ("slices", slices)):
        assert set(module.NETWORKS) <= set(EXPERIMENTS[name].needs)
