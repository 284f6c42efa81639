"""A command that cannot go on ends with exit code 2 and one sentence, also if it is terminated."""

import errno
import subprocess
import sys

import pytest

from data_prep.errors import InputError
from data_prep.exits import stopping
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("x.cif is empty: give another."), "x.cif is empty: give another."),
        (
            OSError(errno.ENOSPC, "", "vae.weights.h5"),
            "vae.weights.h5 could not be read or written: No space left on device.",
        ),
        (KeyboardInterrupt(), "train-vae was stopped; the same command goes on from the last completed step."),
    ],
)
def test_what_stops_a_command_is_one_sentence_and_2(capsys, error, said):
    with pytest.raises(SystemExit) as end, stopping("train-vae"):
        raise error
    assert end.value.code == 2 and capsys.readouterr().err == f"{said}\n"


def test_a_fault_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError), stopping("train-vae"):
        1 / 0  # noqa: B018


def test_a_terminated_command_ends_as_an_interrupted_one():
    program = """
import os, signal
from data_prep.exits import stopping
with stopping("The benchmark", after="nothing was written"):
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (2, "The benchmark was stopped; nothing was written.\n")
