"""The OPTIMADE project's reference server on the loopback address, with real structures inside."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Thread
from typing import Any
from uuid import uuid4

from data_prep.crystal import Crystal

PROVIDER = {"name": "Test", "prefix": "test", "description": "Structures for tests"}


def structure_entry(crystal: Crystal, id: str, **labels: Any) -> dict[str, Any]:
    """Return a crystal as a document of the server's collection, ``labels`` being the provider's own properties."""
    from optimade.adapters.structures.pymatgen import from_pymatgen

    attributes = from_pymatgen(crystal.structure()).model_dump(mode="json")
    return {"id": id, **attributes, "last_modified": datetime(2026, 1, 2, tzinfo=UTC), **labels}


class Interruptions:
    """An ASGI layer around the server that fails the next requests for structures as it is told.

    ``faults`` holds one item per request: None (an ordinary answer), a status, ``"cut"``, which ends the
    connection in the middle of the body, or ``"slow"``, which takes 3 seconds. ``asked`` are the queries
    of requests for structures.
    """

    def __init__(self, app: Any):
        self.app = app
        self.faults: list[int | str | None] = []
        self.asked: list[str] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].endswith("/structures") or "/info/" in scope["path"]:
            return await self.app(scope, receive, send)
        self.asked.append(scope["query_string"].decode())
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, int):
            await send({"type": "http.response.start", "status": fault, "headers": [(b"content-length", b"0")]})
            return await send({"type": "http.response.body", "body": b""})
        if fault == "slow":
            await asyncio.sleep(3)
        return await self.app(scope, receive, _cutting(send) if fault == "cut" else send)


def _cutting(send: Any) -> Any:
    """Return a ``send`` that hands on half of the body; uvicorn closes the connection on the rest."""

    async def half(message: dict[str, Any]) -> None:
        body = message.get("body", b"")
        if message["type"] == "http.response.body" and body:
            await send({**message, "body": body[: len(body) // 2], "more_body": True})
            raise ConnectionAbortedError("cut on purpose")
        await send(message)

    return half


@contextmanager
def optimade_server(
    entries: Sequence[dict[str, Any]], fields: Sequence[str | dict[str, Any]] = (), **settings: Any
) -> Iterator[tuple[str, Interruptions]]:
    """Yield the base URL of a running reference server with ``entries`` and the layer that can fail its requests.

    ``fields`` are the provider's own properties as the server's configuration names them (without prefix, as the
    entries have them); ``settings`` are others of the server's, such as ``page_limit_max``. The backend is
    the server's own mongomock.
    """
    import uvicorn
    from optimade.server.config import ServerConfig
    from optimade.server.create_app import create_app

    ours = {
        "insert_test_data": False,
        "database_backend": "mongomock",
        "mongo_database": f"test_{uuid4().hex}",
        "provider": PROVIDER,
        "provider_fields": {"structures": list(fields)},
        "log_level": "critical",
    }
    config = ServerConfig(**{**ours, **settings})
    app = create_app(config)
    app.state.entry_collections["structures"].insert([dict(entry) for entry in entries])
    layer = Interruptions(app)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(layer, log_level="critical", lifespan="off"))
    thread = Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", layer
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()
