"""``make setup`` with a Python that the project does not run on: one sentence, and nothing is made."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="no make")


def python_of_version(version: tuple[int, int], path: Path) -> Path:
    """Write an interpreter that claims to be of ``version`` and, asked for an environment, ends with code 7."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"#!{sys.executable}\nimport sys\nif sys.argv[1] == '-m':\n    sys.exit(7)\n"
        f"sys.executable = {str(path)!r}\nsys.version_info = {(*version, 0, 'final', 0)}\nexec(sys.argv[2])\n"
    )
    path.chmod(0o755)
    return path


@pytest.fixture
def clone(tmp_path) -> Path:
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("Makefile", "setup.cfg", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    return folder


def setup(clone: Path, python: Path) -> str:
    """Run ``make setup``, which fails in any case, and return its errors."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    make = ["make", "setup", f"PYTHON={python}"]  # in its own right, though "make test" may run this
    end = subprocess.run(make, cwd=clone, env=own, capture_output=True, text=True)
    assert end.returncode == 2
    return end.stderr


@pytest.mark.parametrize("version", [(2, 7), (3, 10), (3, 14), (4, 0)])
def test_a_python_that_is_too_old_or_too_new(clone, tmp_path, version):
    python = python_of_version(version, tmp_path / "python")
    said, of_make = setup(clone, python).splitlines()
    number = f"{version[0]}.{version[1]}"
    assert said == (
        f"{python} is Python {number}, but Python 3.11 to 3.13 is needed: make setup PYTHON=/path/to/another/python"
    )
    assert of_make.startswith("make: ***")
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_a_python_that_will_do_is_asked_for_the_environment(clone, tmp_path, version):
    assert "Error 7" in setup(clone, python_of_version(version, tmp_path / "python"))


def test_an_environment_of_another_python_is_to_be_removed(clone, tmp_path):
    python_of_version((3, 10), clone / ".venv/bin/python")
    said = setup(clone, python_of_version((3, 12), tmp_path / "python"))
    assert "Python 3.10, but Python 3.11 to 3.13 is needed: rm -r .venv; make setup PYTHON=" in said


def test_an_environment_that_was_left_without_pip_is_made_again(clone, tmp_path):
    """As a kill leaves it, or Debian's Python without python3-venv."""
    python_of_version((3, 12), clone / ".venv/bin/python")
    assert "Error 7" in setup(clone, python_of_version((3, 12), tmp_path / "python"))
