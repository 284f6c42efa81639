"""What the benchmark compares with is the same computation, and its arithmetic is counted right."""

import errno
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.element_features import element_features
from data_prep.elements import ionic_radii, unit_radii
from data_prep.errors import InputError, sentence
from data_prep.voxelize import input_maps, voxelize
from models.cgcnn import build_cgcnn
from models.table6 import CGCNNParameters, UNetParameters, VAEParameters
from models.unet import build_unet
from models.vae import build_decoder, build_encoder
from repro.bench import __main__ as bench
from repro.bench import time_commands, time_generation, time_legs
from repro.bench.bench_table import as_json, earlier_rows, table
from repro.bench.flop import forward_flop, graph_flop, training_flop
from repro.bench.made_crystals import made_crystals, sized_crystals
from repro.bench.many_structures import scale_rows
from repro.bench.memory import growth, peak_of, resident, watch
from repro.bench.slower_ways import (
    cdist_maps,
    per_voxel_maps,
    read_released_batch,
    separable_maps,
    write_released_files,
)
from repro.bench.timing import Amount, Row, Timing, row, time_in_turn
from repro.presets import SMOKE
from tests.support.exit_code import exit_code


def assert_same_maps(method, *arguments):
    for found, expected in zip(method(*arguments), voxelize(*arguments), strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-300)


@pytest.fixture(scope="module")
def sized():
    return sized_crystals()


@pytest.mark.parametrize("method", [per_voxel_maps, cdist_maps, separable_maps])
@pytest.mark.parametrize("n_sites", [2, 8, 40])
def test_reference_methods_equal_voxelize(sized, method, n_sites):
    crystal = sized[n_sites]
    grid = 10 if method is per_voxel_maps else 32
    for radii in (ionic_radii(), unit_radii()):
        assert_same_maps(method, crystal.numbers, crystal.fractional, crystal.lengths, radii, grid)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1_000_000), n_sites=st.integers(1, 12), edges=st.tuples(*[st.floats(2.0, 12.0)] * 3))
def test_reference_methods_equal_voxelize_on_any_crystal(seed, n_sites, edges):
    rng = np.random.default_rng(seed)
    arguments = (rng.integers(1, 95, n_sites), rng.random((n_sites, 3)), np.array(edges), ionic_radii(), 8)
    for method in (per_voxel_maps, cdist_maps, separable_maps):
        assert_same_maps(method, *arguments)


def test_arithmetic_at_the_papers_size():
    """GFLOP of a forward pass at 32^3: VAE 2.3, UNet 126, of which the perceptual features are 9.3 (F14)."""
    encoder, decoder = build_encoder(VAEParameters()), build_decoder(VAEParameters())
    assert forward_flop([*encoder.layers, *decoder.layers]) / 1e9 == pytest.approx(2.3, abs=0.05)
    unet = build_unet(UNetParameters(), grid=32)
    assert forward_flop(unet.layers) / 1e9 == pytest.approx(126, abs=0.5)
    down_path = [layer for layer in unet.layers if layer.name.startswith(("down", "bottleneck"))]
    assert forward_flop(down_path) / 1e9 == pytest.approx(9.3, abs=0.05)
    assert training_flop(10) == 30


def test_an_open_shape_has_no_count():
    with pytest.raises(ValueError, match="open shape"):
        forward_flop(build_unet(UNetParameters(filters=2)).layers)


def test_functions_are_timed_in_turn_after_a_warm_up():
    calls = []
    timings = time_in_turn({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3)
    assert "".join(calls) == "ab" * 4
    assert all(0 <= timing.wall < 1 and timing.repeats == 3 for timing in timings.values())
    line = row("part", "what", Timing(wall=2.0, cpu=3.0, repeats=5), 10, "sample")
    assert (line.wall_ms, line.cpu_ms, line.repeats) == (200.0, 300.0, 5)


def test_crystals_made_for_the_benchmark(sized):
    assert {n: crystal.n_sites for n, crystal in sized.items()} == {2: 2, 8: 8, 40: 40}
    made = made_crystals(10)
    assert {crystal.family for crystal in made} == {"AB", "ABX3", "ABX2"}
    assert [crystal.formula for crystal in made] == [crystal.formula for crystal in made_crystals(10)]


def test_arithmetic_of_a_packed_graph():
    """Two crystals of 3 sites in all, 12 neighbours each: counted by hand from the layers' sizes."""
    network = build_cgcnn(CGCNNParameters(), element_features())
    embedding, own_and_other, bonds, head = 93 * 64, 2 * 64 * 128, 41 * 128, 64 * 128 + 128
    expected = 2 * (3 * (embedding + own_and_other) + 36 * bonds + 2 * head)
    assert graph_flop(network.layers, sites=3, edges=36, crystals=2) == expected


def test_memory_is_seen_at_its_peak_and_over_time():
    def hold() -> int:
        return int(np.ones(10_000_000).sum())  # 80 MB

    before = resident()
    (total, peak), (_, seen) = peak_of(hold), watch(lambda: [hold() for _ in range(10)])
    assert total == 10_000_000
    assert 70 < peak - before < 200
    assert len(seen) >= 1 and min(seen) >= 0.5 * before
    assert growth([1.0] * 5 + [10.0] * 15 + [30.0] * 5) == (10.0, 30.0)


def test_many_structures_are_drawn_and_fed(tmp_path):
    found = list(scale_rows(12, tmp_path, 16))
    rows = {one.what: one for one in found if isinstance(one, Row)}
    assert list(rows) == ["draw and write shards, all cores", "feed the VAE, one thread"]
    assert all(one.wall_ms > 0 and one.part == "12 structures" for one in rows.values())
    disk = next(one for one in found if one.what == "shards on disk")
    assert 12 * 16**3 * 3 < disk.value * 1e9 < 12 * 16**3 * 3 + 10_000


def test_the_releases_files_hold_the_same_maps(tmp_path):
    crystal = made_crystals(1)[0]
    density, species = voxelize(crystal.numbers, crystal.fractional, crystal.lengths, ionic_radii(), 8)
    size = write_released_files(tmp_path, "0", density, species, crystal.lengths)
    assert size == pytest.approx(11 * 8**3 * 5 * 8, rel=0.1)
    batch = read_released_batch(tmp_path, [("0", 3), ("0", 10)])
    assert batch.shape == (2, 8, 8, 8, 4) and batch.dtype == np.float32
    np.testing.assert_array_equal(batch[1], input_maps(density, crystal.lengths))


def test_a_line_is_compared_with_the_last(tmp_path):
    last = tmp_path / "last.json"
    before = [row("a", "slow", Timing(1.0, 2.0, 1), 1, "sample"), Amount("a", "size", 10.0, "kB")]
    last.write_text(json.dumps(as_json(before, 1.0)))
    now = [
        row("a", "slow", Timing(9.0, 1.0, 1), 1, "sample"),
        Amount("a", "size", 15.0, "kB"),
        Amount("a", "new", 1.0, "kB"),
    ]
    lines = table(now, earlier_rows(last)).splitlines()
    assert lines[0].endswith("x last")
    assert [line.split()[-1] for line in lines[3:]] == ["0.50", "1.50", "kB"]
    assert earlier_rows(tmp_path / "none.json") == {}
    last.write_text("{}")
    assert exit_code(bench.main, ["--against", str(last)]) == 2


def test_a_line_whose_cpu_is_not_known_is_compared_by_its_wall_time(tmp_path):
    last = tmp_path / "last.json"
    last.write_text(json.dumps(as_json([row("a", "pool", Timing(2.0, None, 1), 1, "sample")], 1.0)))
    line = table([row("a", "pool", Timing(1.0, None, 1), 1, "sample")], earlier_rows(last)).splitlines()[-1]
    assert line.split() == ["pool", "1000.000", "–", "sample", "0.50"]


@pytest.fixture
def small(monkeypatch):
    """The benchmark's own sizes, reduced: 8^3 maps for drawing, tiny networks on 16^3 maps, no compilation."""
    vae, unet = replace(SMOKE.vae, filters=(2, 2, 2, 2), latent=4), replace(SMOKE.unet, filters=1)
    monkeypatch.setattr(time_legs, "LAPTOP", replace(SMOKE, vae=vae, unet=unet))
    monkeypatch.setattr(time_legs, "GRID", 16)
    monkeypatch.setattr(time_legs, "TRAINING_REPEATS", 1)
    monkeypatch.setattr(
        time_legs, "command_rows", lambda crystals, folder: [Row("commands", "one", 1.0, 1.0, "one", 1)]
    )
    monkeypatch.setattr(time_legs, "generation_rows", lambda: [Row("a new crystal", "step", 1.0, 1.0, "one", 1)])
    monkeypatch.setattr(bench, "GRID", 16)
    monkeypatch.setattr(bench, "made_crystals", lambda count: made_crystals(6))
    eager = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(eager)


@pytest.mark.slow
def test_the_command_prints_and_writes_every_row(small, tmp_path, capsys):
    path = tmp_path / "published" / "bench.json"
    assert bench.main(["--json", str(path)]) == 0
    written = json.loads(path.read_text())
    assert written["matmul_gflop_per_s"] > 0 and written["machine"]["cores"] > 0
    assert all(line["wall_ms"] > 0 and line["cpu_ms"] > 0 for line in written["rows"])
    parts = Counter(line["part"].split(",")[0] for line in written["rows"])
    expected = {
        "voxels at 16^3": 12, "files": 3, "training step": 5, "voxels to atoms": 2, "CGCNN": 5, "a new crystal": 1,
        "commands": 1,
    }  # fmt: skip
    assert parts == expected
    amounts = Counter(line["part"] for line in written["amounts"])
    assert amounts == {"files": 2, "memory of this process, at its peak": 7}
    assert all(line["value"] > 0 for line in written["amounts"])
    shown = capsys.readouterr().out
    assert all(line["what"] in shown for line in written["rows"])
    assert shown.count("of the peak") == 9 and "measured elsewhere" in shown


@pytest.mark.nightly
def test_every_step_of_a_new_crystal_is_timed(monkeypatch, tmp_path):
    monkeypatch.setattr(time_generation, "COUNT", 4)
    rows = list(time_generation.generation_rows())
    assert len(rows) == 9 and all(one.wall_ms > 0 and one.cpu_ms > 0 for one in rows)


@pytest.mark.nightly
def test_the_commands_are_timed_from_their_start(monkeypatch, tmp_path):
    monkeypatch.setattr(time_commands, "COUNT", 3)
    rows = list(time_commands.command_rows(made_crystals(2), tmp_path))
    assert [row.unit for row in rows if isinstance(row, Amount)] == ["MiB"]
    assert len(rows) == 10 and all(row.wall_ms > 0 for row in rows if isinstance(row, Row))
    assert len(list((tmp_path / "generated-base/cifs").iterdir())) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--folder", "nowhere"], "--folder nowhere is no folder"), (["--scale", "-1"], "--scale -1 is no number")],
)
def test_a_mistake_is_one_sentence(monkeypatch, tmp_path, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert exit_code(bench.main, arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("error", [InputError("unet.weights.h5 is damaged."), OSError(errno.ENOSPC, "", "shard-0.npz")])
def test_what_goes_wrong_on_the_way_is_one_sentence(monkeypatch, capsys, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(bench, "build_shards", fail)
    assert exit_code(bench.main, []) == 2
    assert capsys.readouterr().err == f"{sentence(error)}\n"


def test_a_file_that_cannot_be_written_is_named(monkeypatch, tmp_path, capsys):
    rows = [row("a", "b", Timing(1.0, 1.0, 1), 1, "sample")]
    monkeypatch.setattr(bench, "build_shards", lambda *_, **__: None)
    monkeypatch.setattr(time_legs, "measure_all", lambda *_: (1.0, rows))
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "bench.json"
    assert exit_code(bench.main, ["--json", str(path)]) == 2
    assert str(path.parent) in capsys.readouterr().err
