"""The real mp-api client against a server on the loopback address: pages, faults, a kill, and the key."""

import gzip
import json
import logging
import os
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest

from data_prep.errors import InputError
from data_prep.quarantine import count_reasons
from data_prep.sources import materials_project, read_embedded
from data_prep.sources.materials_project import SELECTION, read_materials_project
from data_prep.sources.materials_project_client import find_ids
from tests.conftest import ROOT
from tests.support.materials_project_server import KEY, Fault, MaterialsProjectServer, summary_document

DONE = ["AB from 0", "AB from 0", "ABC2 from 0", "ABC2 from 0", "ABC3 from 0", "ABC3 from 0"]  # ids, then their number

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def crystals() -> list:
    """Four embedded crystals of each family."""
    found = [crystal for crystal in read_embedded()[0] if crystal.formation_energy_per_atom < 0]
    families = [[crystal for crystal in found if crystal.family == family] for family in ("AB", "ABX2", "ABX3")]
    return [crystal for family in families for crystal in family[:4]]


@pytest.fixture(scope="module")
def documents(crystals) -> list[dict]:
    moduli = {"bulk_modulus": {"voigt": 24.1, "reuss": 23.9, "vrh": 24.0}, "band_gap": 1.25}
    return [summary_document(crystal, f"mp-{number}", **moduli) for number, crystal in enumerate(crystals, 1)]


def copies(documents: list[dict], count: int) -> list[dict]:
    """Return ``count`` documents that repeat the given structures under ids of their own."""
    return [documents[index % len(documents)] | {"material_id": f"mp-{index + 1}"} for index in range(count)]


@pytest.fixture
def download(tmp_path, monkeypatch):
    """Read from a server into ``tmp_path`` with the real client; the waits between attempts are only noted."""
    from mp_api.client import MPRester

    monkeypatch.setenv("MP_API_KEY", KEY)

    def read(server, key=KEY, timeout=None, waits=None):
        rester = MPRester(key, endpoint=server.endpoint, use_document_model=False, mute_progress_bars=True)
        if timeout:
            get = rester.session.get
            rester.session.get = lambda **options: get(**{**options, "timeout": timeout})
        return read_materials_project(tmp_path, rester, ([] if waits is None else waits).append)

    return read


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def contents(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def test_structures_and_labels_arrive_as_they_were_sent(documents, crystals, download):
    with MaterialsProjectServer(documents) as server:
        found, rejected = download(server)
    assert (len(found), rejected, server.searches()) == (12, [], [*DONE, "12 from 0"])
    sent = {f"mp-{number}": crystal for number, crystal in enumerate(crystals, 1)}
    for crystal in found:
        original = sent[crystal.id]
        assert crystal.formula == original.formula
        assert crystal.formation_energy_per_atom == original.formation_energy_per_atom
        assert crystal.lengths == pytest.approx(original.lengths, abs=1e-6)
        assert crystal.numbers.tolist() == original.numbers.tolist()
        assert crystal.properties["spacegroup"] == original.properties["spacegroup"]
        assert (crystal.properties["K_VRH"], crystal.properties["band_gap"]) == (24.0, 1.25)


def test_every_page_of_ids_is_fetched(documents):
    from mp_api.client import MPRester

    with MaterialsProjectServer(copies(documents[:4], 2003)) as server:
        rester = MPRester(KEY, endpoint=server.endpoint, use_document_model=False, mute_progress_bars=True)
        found = find_ids(rester, "AB", SELECTION, lambda wait: None)
    assert set(found) == {f"mp-{number}" for number in range(1, 2004)}
    assert server.searches() == ["AB from 0", "AB from 1000", "AB from 2000", "AB from 0"]


def test_faults_on_the_way_are_waited_out(documents, download, monkeypatch):
    monkeypatch.setattr(materials_project, "BATCH", 3)
    faults = [Fault(429), Fault(429, headers=(("Retry-After", "1"),)), None, Fault(500), Fault(502), Fault(503)]
    faults += [Fault(504), Fault(cut=True), Fault(half=True), None, Fault(cut=True), Fault(cut=True), Fault(500)]
    waits: list[float] = []
    with MaterialsProjectServer(documents, faults) as server:
        found, rejected = download(server, waits=waits)
    assert (len(found), rejected, server.faults) == (12, [], [])
    assert len(server.queries) == 6 + 4 + 11  # ids and their numbers, batches, faults
    # 429, 502 and 504 are repeated by the client itself, which waits as long as Retry-After says
    assert waits == [2.0, 4.0, 8.0, 16.0, 2.0, 4.0, 8.0]


def test_an_answer_that_takes_too_long_is_asked_for_again(documents, download):
    waits: list[float] = []
    slow = [Fault(wait=0.6)] * 4  # the client tries four times
    with MaterialsProjectServer(documents, [*slow, Fault(wait=0.1)]) as server:
        found, _ = download(server, timeout=0.3, waits=waits)
    assert len(found) == 12
    assert waits[:1] == [2.0]


def test_a_service_that_stays_down_is_one_sentence(documents, download, tmp_path):
    with MaterialsProjectServer(documents, [None] * 6 + [Fault(500)] * 6) as server:
        with pytest.raises(
            InputError, match=r"failed 6 times at the query for 12 documents .*status code 500"
        ) as caught:
            download(server)
        assert [path.name for path in files(tmp_path)] == ["ids.json"]
        download(server)
    assert server.searches()[-1:] == ["12 from 0"]
    assert len(server.queries) == 6 + 6 + 1
    assert KEY not in str(caught.value)


def test_an_invalid_key_is_one_sentence_that_does_not_show_it(documents, download, tmp_path):
    invalid = "Inval1dKeyOf32LettersAndDigits00"
    with MaterialsProjectServer(documents) as server, pytest.raises(InputError, match="refused MP_API_KEY") as caught:
        download(server, key=invalid)
    assert invalid not in str(caught.value)
    assert (server.queries, files(tmp_path)) == ([], [])


def test_documents_with_missing_fields_are_used_or_named(documents, download):
    bare = [{name: value for name, value in document.items()} for document in documents]
    for field in ("bulk_modulus", "band_gap", "n"):  # absent, not null
        del bare[0][field]
    bare[1]["formation_energy_per_atom"] = None
    del bare[2]["structure"]
    bare[3]["structure"] = {"@module": "pymatgen.core.structure"}
    nameless = bare[4].pop("material_id")
    with MaterialsProjectServer(bare) as server:
        server._found = lambda query: server.documents if "material_ids" in query else documents  # noqa: SLF001
        found, rejected = download(server)
    by_id = {crystal.id: crystal for crystal in found}
    assert set(by_id["mp-1"].properties) & {"K_VRH", "band_gap", "refractive_index"} == set()
    assert by_id["mp-2"].formation_energy_per_atom != by_id["mp-2"].formation_energy_per_atom  # NaN: no label
    assert count_reasons(rejected) == {"unreadable": 2, "not_delivered": 1}
    assert {item.id: item.reason for item in rejected}[nameless] == "not_delivered"
    assert len(found) == 9


def test_answers_without_their_total_lose_nothing(documents, download):
    """The client takes an answer without ``meta`` for one document out of one."""
    for position in (0, 6):
        with MaterialsProjectServer(documents, [None] * position + [Fault(without="meta")]) as server:
            found, rejected = download(server)
        assert (len(found), rejected) == (12, [])


def test_a_shortfall_that_stays_is_said(documents, download, caplog):
    short = [Fault(without="meta"), None] * 2
    with MaterialsProjectServer(documents, short) as server:
        found, _ = download(server)
    assert len(found) == 9
    assert "counts 4 cubic AB and delivers 1" in caplog.text


def command(endpoint: str, folder: Path) -> subprocess.Popen:
    """Start ``python -m repro data`` on the source, with the key where a user has it: in the environment."""
    environment = {**os.environ, "MP_API_KEY": KEY, "MP_API_ENDPOINT": endpoint, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "repro",
            "data",
            "--preset",
            "smoke",
            "--source",
            "materials-project",
            "--run",
            "killed",
        ],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def family_of_processes(parent: int) -> list[str]:
    """Return the command lines of a process and of its children, as ``ps`` shows them."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [Path(f"/proc/{process}/cmdline").read_text() for process in (str(parent), *children)]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="command lines are read from /proc")
def test_killed_and_resumed_and_the_key_is_nowhere(documents, tmp_path, monkeypatch, caplog):
    wanted = copies(documents, 501)
    with MaterialsProjectServer(wanted, [None] * 7 + [Fault(wait=60)]) as server:
        process = command(server.endpoint, tmp_path)
        deadline = time.monotonic() + 300
        while len(server.queries) < 8 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        shown = family_of_processes(process.pid)
        process.kill()
        output = process.communicate()[0]
        assert server.searches()[-2:] == ["500 from 0", "1 from 0"]  # the second was never answered
        assert "-m\0repro\0data" in shown[0]

        caplog.set_level(logging.DEBUG)
        monkeypatch.setenv("MP_API_KEY", KEY)
        monkeypatch.chdir(tmp_path)
        before = len(server.queries)
        from mp_api.client import MPRester

        rester = MPRester(KEY, endpoint=server.endpoint, use_document_model=False, mute_progress_bars=True)
        found, rejected = read_materials_project(Path("data"), rester)
        assert server.searches()[before:] == ["1 from 0"]
    assert (len(found), rejected) == (501, [])
    assert "/materials/summary/" in caplog.text  # the client's requests are in the log, without their headers
    assert len(files(tmp_path)) >= 4  # ids, manifest, two batches
    for text in (*shown, output, caplog.text, *(contents(path).decode(errors="replace") for path in files(tmp_path))):
        assert KEY not in text


def test_the_key_is_in_no_traceback(documents, download):
    """Whatever the client raises, printed with everything that hangs on it, does not show the key."""
    refused = [Fault(500)] * 6, [Fault(half=True)] * 6, [Fault(cut=True)] * 6, [Fault(422)]
    for faults in refused:
        with MaterialsProjectServer(documents, faults) as server, pytest.raises(InputError) as caught:
            download(server)
        text = "".join(traceback.format_exception(caught.value))
        assert re.search("data_prep.errors.InputError: the Materials Project (failed|refused)", text)
        assert KEY not in text


@pytest.mark.nightly
def test_ten_thousand_documents(documents, download, tmp_path):
    with MaterialsProjectServer(copies(documents, 10_000)) as server:
        started = time.process_time()
        found, rejected = download(server)
        seconds = time.process_time() - started  # the server's included
        again, _ = download(server)
    assert (len(found), len({crystal.id for crystal in found}), rejected) == (10_000, 10_000, [])
    assert len(server.queries) == 3 * 4 + 3 + 20  # pages of ids, their numbers, batches; nothing the second time
    assert len(again) == 10_000
    manifest = json.loads(next(tmp_path.rglob("manifest.json")).read_text())
    assert (manifest["complete"], manifest["documents"], len(manifest["batches"])) == (True, 10_000, 20)
    assert seconds < 120
