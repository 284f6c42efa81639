"""The commands of the quick start leave Keras and what it runs on alone: its start takes longer than they do."""

import subprocess
import sys

import pytest
from pymatgen.core import Lattice, Structure

from tests.conftest import ROOT

FRAMEWORKS = {"keras", "tensorflow", "jax", "torch"}
COMMANDS = (
    ["predict", "salt.cif", "--out", "properties.csv"],
    ["hull", "salt.cif"],
    ["reconstruct", "salt.cif", "--out", "there-and-back"],
)
PROGRAM = """
import sys
sys.path.insert(0, {root!r})
import repro.generation.generate
from repro.__main__ import main
for arguments in {commands}:
    main(arguments)
    print(arguments[0], sorted({frameworks} & set(sys.modules)))
"""


@pytest.mark.slow
def test_no_framework_is_loaded(tmp_path):
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.81), ["Ca", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    salt.to(filename=str(tmp_path / "salt.cif"))
    program = PROGRAM.format(root=str(ROOT), commands=COMMANDS, frameworks=FRAMEWORKS)
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    said = ended.stdout.splitlines()
    assert [line for line in said if line.endswith("]")] == [f"{command} []" for command, *_ in COMMANDS]
