"""The command line: a user's mistake gets one sentence and exit code 2, and leaves nothing half-written."""

import errno
import json
import os

import pytest

from repro.__main__ import main
from repro.commands import COMMANDS, parser
from repro.stages import STAGES
from tests.support.exit_code import exit_code
from tests.support.pipeline import small_source


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return exit_code(main, [*arguments, "--preset", "smoke", "--run", "test"])


def sentence(capsys):
    """Return what was printed to standard error, having checked that it is no traceback."""
    text = capsys.readouterr().err.strip()
    assert "Traceback" not in text
    return text


def leftovers(folder):
    return [path for path in folder.rglob("*") if path.name.startswith(".writing-")]


def test_help_names_every_command_and_what_it_does(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["--help"])
    text = capsys.readouterr().out
    others = {
        "announce",
        "import-networks",
        "import-properties",
        "verify",
        "reconstruct",
        "predict",
        "relax",
        "hull",
        "score",
        "calibrate",
        "publish",
        "publish-generator",
    }
    assert {*STAGES, *others} == {*COMMANDS}
    for name, command in COMMANDS.items():
        assert name in text
        assert command.help.split(",")[0][:30] in " ".join(text.split())
        assert name not in STAGES or command.help == STAGES[name].help


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.write_text(""), "crystals.csv"),
        (lambda path: path.write_text("id,formula\n1,NaCl\n"), "species"),
        (lambda path: path.write_bytes(b"\x00\xff\x00garbage"), "crystals.csv"),
    ],
    ids=["missing", "empty", "without a column", "garbage"],
)
def test_a_source_that_cannot_be_read(workplace, capsys, make, said):
    source = workplace / "crystals.csv"
    make(source)
    assert run("data", "--source", str(source)) == 2
    assert said in sentence(capsys)
    assert not (workplace / "runs/test/data/done.json").exists()
    assert not leftovers(workplace)


def test_rows_that_cannot_be_used_are_listed_with_their_reason(workplace, capsys):
    source = small_source(workplace)
    lines = source.read_text().splitlines()
    columns = lines[0].split(",")

    def spoiled(line, column, value):
        cells = line.split(",")
        cells[columns.index(column)] = value
        return ",".join(cells)

    lines[1] = spoiled(lines[1], "formation_energy_per_atom", "nan")
    lines[2] = spoiled(lines[2], "a", "0.0")
    lines[3] = spoiled(lines[3], "id", lines[4].split(",")[0])
    source.write_text("\n".join(lines) + "\n")
    assert run("data", "--source", str(source)) == 0
    rejected = (workplace / "runs/test/data/rejected.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in rejected[1:]].count("made-000") == 1
    assert {line.split(",")[1] for line in rejected[1:]} == {"no_label", "degenerate_cell", "duplicate_id"}
    stamp = json.loads((workplace / "runs/test/data/done.json").read_text())
    assert stamp["counts"]["used"] == 42
    assert sum(stamp["counts"]["rejected"].values()) == 3


@pytest.mark.parametrize(
    ("stage", "missing"),
    [
        ("voxelize", "data"), ("generator", "train-unet"), ("properties", "train-cgcnn"), ("evaluate", "generator"),
        ("evaluate-properties", "properties"), ("generate", "generator"), ("publish", "properties"),
        ("publish-generator", "generator"),
    ],
)  # fmt: skip
def test_a_stage_before_its_turn_says_which_one_is_missing(workplace, capsys, stage, missing):
    assert run(stage) == 2
    assert f"run the stage '{missing}' first" in sentence(capsys)
    assert not (workplace / "runs/test" / stage / "started.json").exists()


def test_a_run_is_announced(workplace, capsys):
    assert run("announce", "--gpu") == 0
    assert "a GPU is visible" in (text := capsys.readouterr().out) and "runs/test" in text
    assert not list(workplace.iterdir())


@pytest.mark.parametrize(
    "option",
    [["--count", "3"], ["--seed", "1"], ["--formation-energy", "-1"], ["--out", "here"], ["--elements", "Na,Cl"],
     ["--relax"], ["--potential", "sevennet"], ["--unique"], ["--energy-window", "-2", "0"]],
)  # fmt: skip
def test_options_of_samples_need_a_base_or_random(workplace, capsys, option):
    assert run("generate", *option) == 2
    assert sentence(capsys) == f"{option[0]} needs --base or --random beside it."


def test_no_element_is_no_choice_of_elements(workplace, capsys):
    assert run("generate", "--random", "--elements", " , ") == 2
    assert "nothing is no element; write --elements Na,Cl" in sentence(capsys)


def test_a_finished_stage_is_not_repeated_and_a_changed_source_is_refused(workplace, capsys):
    source = small_source(workplace)
    assert run("data", "--source", str(source)) == 0
    before = (workplace / "runs/test/data/crystals.npz").stat().st_mtime_ns
    assert run("data", "--source", str(source)) == 0
    assert "up to date" in capsys.readouterr().out
    assert (workplace / "runs/test/data/crystals.npz").stat().st_mtime_ns == before
    source.write_text(source.read_text().replace("made-001", "made-xyz"))
    assert run("data", "--source", str(source)) == 2
    assert "content" in sentence(capsys)
    assert run("data", "--source", str(source), "--again") == 0


def test_a_stale_earlier_stage_is_refused(workplace, capsys):
    source = small_source(workplace)
    assert run("data", "--source", str(source)) == 0
    assert run("voxelize", "--source", str(source)) == 0
    source.write_text(source.read_text().replace("made-001", "made-xyz"))
    assert run("data", "--source", str(source), "--again") == 0
    assert run("voxelize", "--source", str(source)) == 2
    assert "an earlier result of data" in sentence(capsys)


def test_a_shard_cut_in_half_is_rebuilt_by_its_stage(workplace, capsys):
    source = small_source(workplace)
    for stage in ("data", "voxelize"):
        assert run(stage, "--source", str(source)) == 0
    shard = workplace / "runs/test/voxelize/shard-0000.npz"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    assert run("voxelize", "--source", str(source)) == 0
    assert "shard-0000.npz was damaged" in capsys.readouterr().out
    assert shard.read_bytes() == whole


def test_a_full_disk_is_said_and_leaves_nothing_half_written(workplace, capsys, monkeypatch):
    source = small_source(workplace)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert run("data", "--source", str(source)) == 2
    assert "No space left on device" in sentence(capsys)
    assert not leftovers(workplace)
    assert not (workplace / "runs/test/data/crystals.npz").exists()


def test_control_c_leaves_with_2_and_says_how_to_go_on(workplace, capsys, monkeypatch):
    def stopped(run):
        raise KeyboardInterrupt

    monkeypatch.setattr("repro.training.prepare.data", stopped)
    assert run("data") == 2
    assert "the same command goes on" in sentence(capsys)


def test_a_damaged_stamp_is_named(workplace, capsys):
    source = small_source(workplace)
    assert run("data", "--source", str(source)) == 0
    (workplace / "runs/test/data/done.json").write_text('{"identity": ')
    assert run("data", "--source", str(source)) == 2
    assert "done.json is damaged" in sentence(capsys)


def test_the_materials_project_asks_for_a_key(workplace, capsys, monkeypatch):
    monkeypatch.delenv("MP_API_KEY", raising=False)
    assert run("data", "--source", "materials-project") == 2
    assert "MP_API_KEY" in sentence(capsys)
