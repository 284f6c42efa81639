"""The download from the Materials Project against a service that fails, stops and damages files."""

import gzip
import inspect
import json

import numpy as np
import pytest
import requests
from emmet.core.summary import SummaryDoc
from mp_api.client.core.exceptions import MPRestError
from mp_api.client.routes.materials.summary import SummaryRester
from pymatgen.core import Composition, Lattice, Structure

from data_prep.errors import InputError
from data_prep.quarantine import count_reasons, screen
from data_prep.sources import materials_project, read_source
from data_prep.sources.materials_project import FIELDS, read_materials_project
from data_prep.sources.materials_project_client import connect
from data_prep.sources.patience import ATTEMPTS

KEY = "Sup3rS3cr3tKeyOf32Characters0000"
FACES = [[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]


def document(id: str, species: list, a: float, angle: float, sites: list, **values) -> dict:
    """One summary document as the service sends it."""
    structure = Structure(Lattice.from_parameters(a, a, a, angle, angle, angle), species, sites)
    made = SummaryDoc.from_structure(meta_structure=structure, material_id="mp-1", deprecated=False, **values)
    return {**made.model_dump(mode="json"), "material_id": id}


@pytest.fixture(scope="module")
def documents() -> list[dict]:
    salt = dict(
        formation_energy_per_atom=-2.1,
        energy_per_atom=-3.4,
        band_gap=5.0,
        energy_above_hull=0.0,
        bulk_modulus={"voigt": 24.1, "reuss": 23.9, "vrh": 24.0},
        shear_modulus={"voigt": 15.1, "reuss": 14.9, "vrh": 15.0},
        homogeneous_poisson=0.24,
        n=1.5,
        e_electronic=2.25,
        e_total=5.8,
    )
    corners = [[0, 0, 0], [0.5, 0.5, 0.5]]
    heusler = [[0.25] * 3, [0.75] * 3, [0.5] * 3, [0.0] * 3]
    return [
        document("mp-22862", ["Na", "Cl"], 3.99, 60, corners, **salt),
        document("mp-22865", ["Cs", "Cl"], 4.1, 90, corners, formation_energy_per_atom=-2.2),
        document("mp-5229", ["Sr", "Ti", "O", "O", "O"], 3.9, 90, corners + FACES),  # no label
        document("mp-3574", ["Cu", "Cu", "Mn", "Al"], 4.2, 60, heusler, formation_energy_per_atom=-0.1),
        document("mp-aaaaft", ["Cs", "Br"], 4.3, 90, corners, formation_energy_per_atom=-2.0),  # mp-149
    ]


class Service:
    """Stands for an ``MPRester``: answers searches, and raises what it is told to raise first."""

    def __init__(self, documents: list[dict], failures: tuple = (), db_version: str = "2025.09.25"):
        self.documents = documents
        self.failures = list(failures)
        self.db_version = db_version
        self.queries: list[dict] = []
        self.materials = self.summary = self

    def search(self, **query) -> list[dict]:
        inspect.signature(SummaryRester.search).bind(None, **query)  # only what the client accepts
        self.queries.append(query)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        chosen = [item for item in self.documents if self._matches(item, query)]
        return [{field: item[field] for field in query["fields"]} for item in chosen]

    def count(self, criteria: dict) -> int:
        """How many documents a search finds, in the parameters that the client sends."""
        return sum(self._matches(item, criteria) for item in self.documents)

    @staticmethod
    def _matches(item: dict, query: dict) -> bool:
        if "material_ids" in query:
            known = {"mp-aaaaft": "mp-149"}.get(item["material_id"], item["material_id"])
            return known in query["material_ids"]
        assert (query["crystal_system"], query["deprecated"]) == ("Cubic", False)
        return Composition(item["formula_pretty"]).anonymized_formula == query["formula"]

    def asked(self) -> list[list[str]]:
        """The ids of each request for documents."""
        return [query["material_ids"] for query in self.queries if "material_ids" in query]


BATCHES = [["mp-149", "mp-22862"], ["mp-22865", "mp-3574"], ["mp-5229"]]


@pytest.fixture(autouse=True)
def two_to_a_batch_and_a_key(monkeypatch):
    monkeypatch.setattr(materials_project, "BATCH", 2)
    monkeypatch.setenv("MP_API_KEY", KEY)


def never(seconds: float) -> None:
    raise AssertionError(f"waited {seconds} s")


def folder_of(cache):
    return cache / "materials_project" / "2025.09.25"


def test_documents_become_crystals_in_the_deposited_cell(tmp_path, documents):
    service = Service(documents)
    crystals, rejected = read_materials_project(tmp_path, service, never)
    assert rejected == []
    assert service.asked() == BATCHES
    assert [crystal.id for crystal in crystals] == [id for batch in BATCHES for id in batch]
    salt = crystals[1]
    assert (salt.formula, salt.n_sites, salt.numbers.tolist()) == ("NaCl", 2, [11, 17])
    assert salt.lengths == pytest.approx(np.full(3, 3.99))
    assert salt.angles == pytest.approx(np.full(3, 60.0))
    assert salt.formation_energy_per_atom == -2.1
    assert salt.properties == {
        "band_gap": 5.0,
        "energy_per_atom": -3.4,
        "e_above_hull": 0.0,
        "poisson_from_KG": 0.24,
        "refractive_index": 1.5,
        "poly_electronic": 2.25,
        "poly_total": 5.8,
        "K_VRH": 24.0,
        "G_VRH": 15.0,
        "spacegroup": 225.0,
    }
    kept, rejected = screen(crystals)
    assert [crystal.family for crystal in kept] == ["AB", "AB", "AB", "ABX2"]
    assert count_reasons(rejected) == {"no_label": 1}


def test_manifest_says_what_was_downloaded(tmp_path, documents):
    read_materials_project(tmp_path, Service(documents), never)
    manifest = json.loads((folder_of(tmp_path) / "manifest.json").read_text())
    assert manifest["database_version"] == "2025.09.25"
    assert (manifest["complete"], manifest["documents"]) == (True, 5)
    assert manifest["ids"] == {"AB": 3, "ABC2": 1, "ABC3": 1}
    assert manifest["fields"] == FIELDS
    assert [entry["documents"] for entry in manifest["batches"].values()] == [2, 2, 1]
    assert set(FIELDS) <= set(SummaryDoc.model_fields)


def test_a_complete_download_needs_neither_key_nor_network(tmp_path, documents, monkeypatch):
    first, _ = read_materials_project(tmp_path, Service(documents), never)
    monkeypatch.delenv("MP_API_KEY")
    again, rejected = read_source("materials-project", tmp_path)
    assert [crystal.id for crystal in again] == [crystal.id for crystal in first]
    assert rejected == []


def test_errors_that_pass_are_waited_out(tmp_path, documents):
    failures = (
        requests.ConnectionError("connection aborted"),
        MPRestError("REST query returned with error status code 429 on URL x with message:\nslow down"),
        MPRestError("REST query returned with error status code 503 on URL x with message:\nResponse"),
        None,
        MPRestError("HTTPSConnectionPool(host='x', port=443): Read timed out. (read timeout=20)"),
        json.JSONDecodeError("Expecting value", "<html>", 0),
    )
    waits: list[float] = []
    service = Service(documents, failures)
    crystals, _ = read_materials_project(tmp_path, service, waits.append)
    assert len(crystals) == 5
    assert waits == [2.0, 4.0, 8.0, 2.0, 4.0]
    assert len(service.queries) == 3 + 3 + 5  # formulas, batches, failures


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("REST query returned with error status code 401 on URL x", "refused MP_API_KEY at the query for AB"),
        ("REST query returned with error status code 403 on URL x", "refused MP_API_KEY"),
        (
            "REST query returned with error status code 422 on URL x",
            "refused the query for AB: MPRestError: REST",
        ),
        ("invalid fields requested: ['colour']", "refused the query for AB: MPRestError: invalid fields"),
    ],
)
def test_errors_that_stay_are_not_repeated(tmp_path, documents, message, sentence):
    service = Service(documents, (MPRestError(message),))
    with pytest.raises(InputError, match=sentence):
        read_materials_project(tmp_path, service, never)
    assert len(service.queries) == 1


def test_a_run_that_was_cut_off_asks_only_for_what_is_missing(tmp_path, documents):
    down = tuple(requests.ConnectionError("gone") for _ in range(ATTEMPTS))
    waits: list[float] = []
    service = Service(documents, (None, None, None, None, *down))  # after the ids and one batch
    with pytest.raises(InputError, match=r"failed 6 times at the query for 2 documents .*goes on where it stopped"):
        read_materials_project(tmp_path, service, waits.append)
    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0]
    killed = Service(documents, (None, KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        read_materials_project(tmp_path, killed, never)
    assert killed.asked() == BATCHES[1:]
    resumed = Service(documents)
    crystals, _ = read_materials_project(tmp_path, resumed, never)
    assert [query.get("formula") for query in resumed.queries] == [None]
    assert resumed.asked() == BATCHES[2:]
    assert [crystal.id for crystal in crystals] == [id for batch in BATCHES for id in batch]


def damage(cache) -> None:
    path = folder_of(cache) / "batch-0002.json.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_a_damaged_batch_is_named_and_downloaded_again(tmp_path, documents, caplog):
    before, _ = read_materials_project(tmp_path, Service(documents), never)
    damage(tmp_path)
    service = Service(documents)
    after, _ = read_materials_project(tmp_path, service, never)
    assert "batch-0002.json.gz is damaged and will be downloaded again" in caplog.text
    assert (len(service.queries), service.asked()) == (1, BATCHES[1:2])
    assert [crystal.id for crystal in after] == [crystal.id for crystal in before]
    again = Service(documents)
    read_materials_project(tmp_path, again, never)
    assert again.queries == []


def test_a_missing_batch_and_damaged_ids_are_repaired(tmp_path, documents):
    read_materials_project(tmp_path, Service(documents), never)
    (folder_of(tmp_path) / "batch-0003.json.gz").unlink()
    (folder_of(tmp_path) / "ids.json").write_text('{"AB": ["mp-')
    service = Service(documents)
    crystals, _ = read_materials_project(tmp_path, service, never)
    assert [query.get("formula") for query in service.queries] == ["AB", "ABC2", "ABC3", None]
    assert (service.asked(), len(crystals)) == (BATCHES[2:], 5)


def test_a_damaged_batch_without_a_key_is_one_sentence(tmp_path, documents, monkeypatch):
    read_materials_project(tmp_path, Service(documents), never)
    damage(tmp_path)
    monkeypatch.delenv("MP_API_KEY")
    with pytest.raises(InputError, match=r"MP_API_KEY is not set to download .*batch-0002\.json\.gz, which is damaged"):
        read_materials_project(tmp_path)


def test_a_missing_or_malformed_key_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setenv("MP_API_KEY", "too-short-to-show")
    with pytest.raises(InputError, match="MP_API_KEY is not a key of 32 letters and digits") as caught:
        read_source("materials-project", tmp_path)
    assert "too-short" not in str(caught.value)
    monkeypatch.setenv("MP_API_KEY", "  ")
    with pytest.raises(
        InputError, match=r"MP_API_KEY is not set; get a free key at https://next-gen\.materialsproject"
    ):
        read_source("materials-project", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_client_is_opened_for_plain_documents_and_retried(monkeypatch):
    opened = []

    def client(key, **options):
        opened.append((key, options))
        if len(opened) == 1:
            raise requests.ConnectionError(f"no route with {KEY}")
        return "client"

    monkeypatch.setattr("mp_api.client.MPRester", client)
    waits: list[float] = []
    assert connect(waits.append) == "client"
    assert waits == [2.0]
    assert opened[1] == (KEY, {"use_document_model": False, "mute_progress_bars": True})


@pytest.mark.parametrize(
    "failure",
    [
        requests.ConnectionError(f"Failed with headers {{'x-api-key': '{KEY}'}}"),
        MPRestError(f"REST query returned with error status code 422 on URL x?API_KEY={KEY}"),
        MPRestError(f"REST query returned with error status code 401: {KEY} unknown"),
    ],
)
def test_the_key_is_in_no_file_no_message_and_no_chained_error(tmp_path, documents, failure, caplog, capfd):
    with pytest.raises(InputError) as caught:
        read_materials_project(tmp_path, Service(documents, (None,) * 4 + (failure,) * ATTEMPTS), lambda wait: None)
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    read_materials_project(tmp_path, Service(documents), never)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 5  # ids, manifest, three batches
    for path in files:
        content = path.read_bytes()
        assert KEY.encode() not in (gzip.decompress(content) if path.suffix == ".gz" else content)
    assert KEY not in caplog.text + "".join(capfd.readouterr())


def test_documents_that_cannot_be_used_are_named(tmp_path, documents):
    def changed(id: str, **values) -> dict:
        return {**json.loads(json.dumps(documents[0])), "material_id": id, **values}

    half = changed("mp-2")
    half["structure"]["sites"][0]["species"][0]["occu"] = 0.5
    heavy = changed("mp-3")
    heavy["structure"]["sites"][0]["species"][0]["element"] = "D"
    bare = changed("mp-4", structure=None)
    service = Service([*documents, half, heavy, bare, changed("mp-5")])
    answer = service.search
    service.search = lambda **query: [
        item for item in answer(**query) if "formula" in query or item["material_id"] != "mp-5"
    ]
    crystals, rejected = read_materials_project(tmp_path, service, never)
    assert len(crystals) == 5
    assert {item.id: item.reason for item in rejected} == {
        "mp-2": "disordered",
        "mp-3": "isotope",
        "mp-4": "unreadable",
        "mp-5": "not_delivered",
    }


@pytest.mark.parametrize("db_version", ["", "../../elsewhere", None])
def test_a_database_version_that_is_no_folder_name_is_refused(tmp_path, documents, db_version):
    with pytest.raises(InputError, match="gives no database version"):
        read_materials_project(tmp_path, Service(documents, db_version=db_version), never)
    assert list(tmp_path.iterdir()) == []


def test_a_newer_version_gets_its_own_folder_and_wins(tmp_path, documents):
    read_materials_project(tmp_path, Service(documents), never)
    materials_project.download(tmp_path / "materials_project", Service(documents[:4], db_version="2026.03.01"))
    crystals, _ = read_materials_project(tmp_path)
    assert len(crystals) == 4


def test_a_formula_without_any_answer_is_an_error(tmp_path, documents):
    with pytest.raises(InputError, match="knows no cubic ABC3"):
        read_materials_project(tmp_path, Service([documents[0], documents[3]]), never)
