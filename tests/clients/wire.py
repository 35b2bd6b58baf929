"""A relay between the clients and the gateway that reads what the clients send.

Owns listening, and the requests it saw. It changes no byte and reads no answer. So every client is
looked at in the same way, and what it leaves out, or asks twice, shows.
"""

import json
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import httptools

READ_BYTES = 65536


@dataclass
class Sent:
    """One HTTP request of a client."""

    path: str = ""
    raw: bytearray = field(default_factory=bytearray)

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else None


class Wire:
    """Listens on a free port and relays to the gateway's. A context manager."""

    def __init__(self, gateway_port: int) -> None:
        self._gateway_port = gateway_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[Sent] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        # Closing alone would not wake the thread that waits in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._gateway_port)) as gateway:
            back = threading.Thread(target=_copy, args=(gateway, client), daemon=True)
            back.start()
            _copy(client, gateway, httptools.HttpRequestParser(_Reading(self.requests)))
            back.join()


def _copy(source: socket.socket, target: socket.socket, parser: Any = None) -> None:
    """Copy to the end of the source, then tell the target; a reader that has gone is an end too."""
    try:
        while data := source.recv(READ_BYTES):
            if parser is not None:
                parser.feed_data(data)
            target.sendall(data)
    except OSError:
        pass
    for end, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with suppress(OSError):
            end.shutdown(how)


class _Reading:
    """What the parser calls while it reads the requests of one connection."""

    def __init__(self, requests: list[Sent]) -> None:
        self._requests = requests
        self._sent = Sent()

    def on_message_begin(self) -> None:
        self._sent = Sent()

    def on_url(self, url: bytes) -> None:
        self._sent.path += url.decode()

    def on_body(self, body: bytes) -> None:
        self._sent.raw += body

    def on_message_complete(self) -> None:
        self._requests.append(self._sent)
