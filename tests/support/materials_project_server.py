"""The Materials Project's summary route on the loopback address, for its real client to talk to."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from emmet.core.mpid import AlphaID
from emmet.core.summary import SummaryDoc
from pymatgen.core import Composition

from data_prep.crystal import Crystal

KEY = "Sup3rS3cr3tKeyOf32Characters0000"
SEARCHED = {"formula", "crystal_system", "deprecated", "batch_id_not_eq", "material_ids", "_fields", "_limit", "_skip"}
MOST_IN_A_PAGE = 1000


@dataclass(frozen=True)
class Fault:
    """What happens to one request instead of, or before, its answer.

    ``status`` is sent with ``headers``; ``cut`` ends the connection after half of the body although the
    header promises all of it; ``half`` sends half of the JSON as if it were all; ``wait`` (seconds) comes
    before the answer; ``without`` leaves this out of the answer's top level.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    half: bool = False
    wait: float = 0.0
    without: str = ""


def summary_document(crystal: Crystal, material_id: str, **values: Any) -> dict[str, Any]:
    """Return a crystal as the service's own model of a summary document writes it."""
    made = SummaryDoc.from_structure(
        meta_structure=crystal.structure(),
        material_id="mp-1",
        deprecated=False,
        formation_energy_per_atom=crystal.formation_energy_per_atom,
        **values,
    )
    return {**made.model_dump(mode="json"), "material_id": material_id}


class MaterialsProjectServer:
    """Serves ``documents`` on a port of its own while the ``with`` block runs.

    ``faults`` happen to the next requests for documents, one each, None being an ordinary answer;
    ``queries`` are the requests for documents that were answered or failed.
    """

    def __init__(self, documents: Sequence[dict[str, Any]], faults: Sequence[Fault | None] = ()):
        self.documents = list(documents)
        self.faults = list(faults)
        self.queries: list[dict[str, str]] = []
        self.db_version = "2025.09.25"
        self.asked = Event()

    def __enter__(self) -> "MaterialsProjectServer":
        handler = type("Handler", (_Handler,), {"service": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}/"
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def searches(self) -> list[str]:
        """Return what each request was for: a formula or the number of ids, and where it began."""
        return [
            f"{query.get('formula') or len(query['material_ids'].split(','))} from {query.get('_skip', 0)}"
            for query in self.queries
        ]

    def answer(self, query: dict[str, str]) -> dict[str, Any]:
        """Return the page that a query asks for, in the shape of the service's answers."""
        found = self._found(query)
        start, limit = int(query.get("_skip", 0)), int(query.get("_limit", 100))
        fields = query["_fields"].split(",") if "_fields" in query else None
        page = [
            {name: document[name] for name in fields or document if name in document}
            for document in found[start : start + limit]
        ]
        meta = {"api_version": "0.86", "total_doc": len(found), "max_limit": MOST_IN_A_PAGE, "facet": None}
        return {"data": page, "meta": meta}

    def _found(self, query: dict[str, str]) -> list[dict[str, Any]]:
        if "material_ids" in query:
            ids = {AlphaID(id) for id in query["material_ids"].split(",")}
            return [document for document in self.documents if AlphaID(document["material_id"]) in ids]
        return [
            document
            for document in self.documents
            if _anonymous(document["formula_pretty"]) == query["formula"]
            and document["symmetry"]["crystal_system"] == query["crystal_system"]
        ]


@cache
def _anonymous(formula: str) -> str:
    return Composition(formula).anonymized_formula


class _Handler(BaseHTTPRequestHandler):
    service: MaterialsProjectServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path.strip("/") == "heartbeat":
            body = {"status": "OK", "version": version("emmet-core"), "db_version": self.service.db_version}
            return self._send(200, {**body, "access_controlled_batch_ids": []})
        if path != "/materials/summary/":
            return self._send(404, {"detail": "Not Found"})
        return self._search({name: values[0] for name, values in query.items()})

    def _search(self, query: dict[str, str]) -> None:
        service = self.service
        if self.headers.get("x-api-key") != KEY:
            return self._send(403, {"message": "Invalid authentication credentials"})
        service.queries.append(query)
        service.asked.set()
        unknown = sorted(set(query) - SEARCHED)
        if unknown:
            return self._send(400, {"detail": f"Request contains query parameters which cannot be used: {unknown}"})
        if int(query.get("_limit", 100)) > MOST_IN_A_PAGE:
            return self._send(422, {"detail": f"at most {MOST_IN_A_PAGE} documents in a page"})
        fault = service.faults.pop(0) if service.faults else None
        fault = fault or Fault()
        Event().wait(fault.wait)
        if fault.status != 200:
            return self._send(fault.status, {"detail": "try again"}, fault.headers)
        answer = service.answer(query)
        answer.pop(fault.without, None)
        return self._send(200, answer, fault.headers, cut=fault.cut, half=fault.half)

    def _send(self, status: int, body: Any, headers: Sequence = (), cut: bool = False, half: bool = False) -> None:
        content = json.dumps(body).encode()
        content = content[: len(content) // 2] if half else content
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(content))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = self.close_connection or cut
        try:
            self.wfile.write(content[: len(content) // 2] if cut else content)
        except (BrokenPipeError, ConnectionResetError):  # the client has given up waiting
            self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        """Keep the tests' output clean."""
