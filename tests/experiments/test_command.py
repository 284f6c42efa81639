"""Every experiment ends at a mistake, at foreign weights and at a full disk with one sentence and exit code 2."""

import argparse
import errno

import pytest

from data_prep.errors import InputError, sentence
from experiments import table6
from experiments.command import stopping

FULL = OSError(errno.ENOSPC, "of another language", "results/a/table1.md")
NAMELESS = OSError("Unable to synchronously open file")  # as HDF5 says it


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("a.json is not there: run b first."), "a.json is not there: run b first."),
        (InputError("vae.weights.h5 is damaged: train again."), "vae.weights.h5 is damaged: train again."),
        (FULL, "results/a/table1.md could not be read or written: No space left on device."),
        (NAMELESS, "A file could not be read or written: Unable to synchronously open file."),
    ],
)
def test_what_the_user_can_mend_is_one_sentence(capsys, error, said):
    assert sentence(error) == said
    with pytest.raises(SystemExit) as stop, stopping(argparse.ArgumentParser()):
        raise error
    assert stop.value.code == 2 and capsys.readouterr().err == f"{said}\n"


def test_a_fault_of_the_program_keeps_its_traceback():
    with pytest.raises(KeyError), stopping(argparse.ArgumentParser()):
        raise KeyError("rows")


def test_results_that_cannot_be_written_are_named(tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as stop:
        table6.main(["--out", str(tmp_path / "file" / "results")])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and str(tmp_path / "file") in error and error.count("\n") == 1
