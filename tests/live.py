"""A real gateway for tests: its own process, home folder and database, spoken to over HTTP.

Owns starting, feeding and stopping it, and a small HTTP client. The rule tests rely on: `stop`
fails the test if the server wrote a traceback or ended badly. With TEST_DATABASE_URL the database
is a scratch one on that server, dropped at the end; without, it is SQLite in the home folder.
"""

import copy
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import dict_row

from routing.models import key_digest

REPOSITORY = Path(__file__).resolve().parent.parent
CHAT = "/api/v1/chat/completions"
START_S = 90.0
# Loaded by the process that prepares a home: one start of Python instead of three.
_PREPARE = """
import django, sys
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0, interactive=False)
for command in sys.argv[1:]:
    call_command(*command.split("\\n"))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(true: Callable[[], Any], within_s: float = 30.0) -> Any:
    """Return what `true` returns once it is truthy; fail if it never is."""
    limit = time.monotonic() + within_s
    while not (found := true()):
        assert time.monotonic() < limit, f"not within {within_s} s"
        time.sleep(0.02)
    return found


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole HTTP answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.json["error"]
        return error


class EventStream:
    """An answer that is read event by event."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self._socket = connection.sock
        self._response = connection.getresponse()
        self.status = self._response.status
        self.headers = {name.lower(): value for name, value in self._response.getheaders()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def events(self) -> Iterator[str]:
        """Yield what follows `data: `, and comments as they are, to the end of the body.

        Raises http.client.IncompleteRead if the body is cut off.
        """
        while line := self._response.readline():
            if text := line.decode().rstrip("\r\n"):
                yield text.removeprefix("data: ")

    def chunks(self) -> list[dict[str, Any]]:
        """Read to the end and return the JSON of all events; there must be a [DONE]."""
        events = [event for event in self.events() if not event.startswith(":")]
        assert events.pop() == "[DONE]"
        return [json.loads(event) for event in events]

    def next_chunk(self) -> dict[str, Any]:
        """Read on to the next event with JSON."""
        chunk: dict[str, Any] = json.loads(next(e for e in self.events() if not e.startswith(":")))
        return chunk

    def close(self) -> None:
        """Hang up at once, whatever has not been read."""
        self._response.close()
        self._connection.close()
        self._socket.close()


class LiveGateway:
    """One server process. As a context manager it is started and, at the end, stopped.

    catalog: what to load before the start, in the form of docs/catalog.md. env: environment
    variables on top of this process's own. `key` is a key without limits.
    """

    def __init__(
        self, catalog: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="assay-live-"))
        self.port = free_port()
        self.key = ""
        self.process: subprocess.Popen[bytes] | None = None
        self._database = _Database.fresh(self.home)
        self._log = self.home / "stderr.log"
        self.env = {
            **os.environ,
            "ASSAY_HOME": str(self.home),
            "DATABASE_URL": self._database.url,
            "DJANGO_SETTINGS_MODULE": "routing.settings",
            "UPSTREAM_ALLOW_CIDRS": "127.0.0.0/8",
            "PYTHONWARNINGS": "default",
            **(env or {}),
        }
        self._prepare(catalog)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self.process is not None:
                self.stop(check=kind is None)
        finally:
            self.discard()

    # Life ----------------------------------------------------------------------------------

    def _prepare(self, catalog: Mapping[str, Any] | None) -> None:
        commands = []
        if catalog is not None:
            commands.append(f"load_catalog\n{self._catalog_file(catalog)}")
        commands.append("create_key\ntests\nlive\n--rpm=0\n--in-flight=0")
        output = self._python("-c", _PREPARE, *commands)
        self.key = output.split()[-1]

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        self.spawn()
        self.wait_ready()

    def spawn(self) -> None:
        """Start the server without waiting."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", str(self.port)],
                cwd=REPOSITORY,
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @contextmanager
    def sibling(self) -> Iterator["LiveGateway"]:
        """Run another server process on the same home and database."""
        other = copy.copy(self)
        other.port, other.process = free_port(), None
        other._log = self.home / f"stderr-{other.port}.log"
        other.start()
        try:
            yield other
        except BaseException:
            other.kill()
            raise
        other.stop()

    def wait_ready(self, within_s: float = START_S) -> None:
        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"the server ended:\n{self.log()}"
            try:
                return self.get("/readyz").status == 200
            except OSError:
                return False

        eventually(ready, within_s)

    def stop(self, *, check: bool = True, within_s: float = 60.0) -> None:
        """End the server as a deployment does, and look at what it wrote."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.wait_stopped(check=check, within_s=within_s)

    def wait_stopped(self, *, check: bool = True, within_s: float = 60.0) -> None:
        process, self.process = self.process, None
        assert process is not None
        try:
            code = process.wait(within_s)
        finally:
            process.kill()
        if check:
            # uvicorn ends by the signal it was sent, after having shut down.
            assert code in (0, -signal.SIGTERM), f"ended with {code}:\n{self.log()}"
            self.assert_quiet()

    def kill(self) -> None:
        """End the server as a crash does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def discard(self) -> None:
        """Remove everything that is left of it."""
        if self.process is not None:
            self.kill()
        self._database.drop()
        shutil.rmtree(self.home, ignore_errors=True)

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def assert_quiet(self) -> None:
        """Fail if the server wrote of a fault of its own."""
        log = self.log()
        for sign in ("Traceback", "unexpected ", "Warning:", "never retrieved"):
            assert sign not in log, log

    # What it knows -------------------------------------------------------------------------

    def manage(self, *arguments: str) -> str:
        """Run a management command on its home and database; return what it printed."""
        return self._python("manage.py", *arguments)

    def _python(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=REPOSITORY,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _catalog_file(self, catalog: Mapping[str, Any]) -> Path:
        file = self.home / "catalog.json"
        file.write_text(json.dumps(catalog))
        return file

    def load(self, catalog: Mapping[str, Any]) -> None:
        """Load a catalogue and wait until it is served."""
        self.manage("load_catalog", str(self._catalog_file(catalog)))
        self.wait_served()

    def wait_served(self, within_s: float = 30.0) -> None:
        """Wait until the server serves what the database holds."""
        [row] = self.rows("SELECT number FROM providers_revision WHERE topic = 'catalog'")
        eventually(lambda: self.readyz()["snapshot"] >= row["number"], within_s)

    def create_key(self, account: str = "tests", label: str = "live", **limits: float | str) -> str:
        """Create a key; `rpm`, `in_flight`, `scope` and `limit` limit it.

        Left out, the first two are the server's own, and the others no limit.
        """
        options = [f"--{name.replace('_', '-')}={value}" for name, value in limits.items()]
        return self.manage("create_key", account, label, *options).strip()

    def revoke(self, key: str) -> None:
        self.execute(
            "UPDATE routing_apikey SET revoked_at = CURRENT_TIMESTAMP WHERE digest = %s",
            key_digest(key),
        )

    def switch(self, model: str, tag: str, *, on: bool) -> None:
        """Switch an endpoint off or on, as a curator does; not waiting for it to be served."""
        self.execute(
            "UPDATE providers_endpoint SET enabled = %s WHERE tag = %s "
            "AND model_id = (SELECT id FROM providers_model WHERE slug = %s)",
            on,
            tag,
            model,
        )

    def stand(self, model: str, tag: str, standing: str) -> None:
        """Give an endpoint a score of this standing; not waiting for it to be served."""
        endpoint = self._endpoint(model, tag)
        self.execute("DELETE FROM telemetry_endpointscore WHERE endpoint_id = %s", endpoint)
        self.execute(
            "INSERT INTO telemetry_endpointscore (endpoint_id, computed_at, method, inputs_hash,"
            " standing, standing_since, eligible, sentence, criteria, failures, disputed)"
            " VALUES (%s, CURRENT_TIMESTAMP, 'assay-1', '', %s, CURRENT_TIMESTAMP, %s, 'Measured.',"
            " '{}', '{}', %s)",
            endpoint, standing, standing == "verified", False,
        )  # fmt: skip

    def quarantine(self, model: str, tag: str) -> None:
        """Set an endpoint aside from its model's pool; not waiting for it to be served."""
        [row] = self.rows("SELECT id FROM providers_model WHERE slug = %s", model)
        self.execute(
            "INSERT INTO routing_quarantine (endpoint_id, model_id, variant, kind, reason,"
            " evidence, started_at, back_off_until, ended_reason) VALUES"
            " (%s, %s, 'exacto', 'failures', %s, '{}', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, '')",
            self._endpoint(model, tag), row["id"], "Broke.",
        )  # fmt: skip

    def _endpoint(self, model: str, tag: str) -> int:
        [row] = self.rows(
            "SELECT e.id FROM providers_endpoint e JOIN providers_model m ON m.id = e.model_id"
            " WHERE m.slug = %s AND e.tag = %s",
            model,
            tag,
        )
        number: int = row["id"]
        return number

    def ingest(self) -> None:
        """Make rows of the facts, once."""
        self.manage("ingest")

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Return the rows of a query; its parameters are written %s."""
        return self._database.rows(sql, values)

    def execute(self, sql: str, *values: Any) -> None:
        self._database.execute(sql, values)

    @contextmanager
    def database_away(self) -> Iterator[None]:
        """Take the database away from the running server for a while."""
        self._database.take_away()
        try:
            yield
        finally:
            self._database.bring_back()

    def everything_stored(self) -> bytes:
        """Return every byte under its home and in its database."""
        files = [path.read_bytes() for path in self.home.rglob("*") if path.is_file()]
        return b"\n".join([*files, self._database.dump()])

    # Speaking to it ------------------------------------------------------------------------

    def get(self, path: str, *, key: str | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Any, *, key: str | None = None) -> Answer:
        return self.request("POST", path, _encoded(body), self._headers(key, None))

    def prefer(self, key: str, **preferences: Any) -> None:
        """Set the standing preferences of the account of `key`, and wait until they are served."""
        path = "/api/v1/account/preferences"
        answer = self.request("PUT", path, _encoded(preferences), self._headers(key, None))
        assert answer.status == 200, answer.body
        # No process tells which revision of keys it serves: it is within a poll.
        time.sleep(2 * float(self.env.get("SNAPSHOT_POLL_S", "0.5")))

    def add_preset(self, key: str, slug: str, system_prompt: str = "", **parameters: Any) -> None:
        """Write down a preset for the account of `key`, and wait until it is served."""
        self._in_admins_stead(
            "Preset(account=account, slug=given['slug'], system_prompt=given['system_prompt'],"
            " parameters=given['parameters']).save()",
            key,
            slug=slug,
            system_prompt=system_prompt,
            parameters=parameters,
        )

    def add_own_credential(
        self, key: str, provider: str, secret: str, *, shared_too: bool = True
    ) -> None:
        """Give the account of `key` its own credential, and wait until it is served."""
        self._in_admins_stead(
            "row = OwnCredential(account=account, shared_too=given['shared_too'],"
            " provider=Provider.objects.get(slug=given['provider']))\n"
            "row.store(given['secret'])\nrow.save()",
            key,
            provider=provider,
            secret=secret,
            shared_too=shared_too,
        )

    def _in_admins_stead(self, script: str, key: str, **given: Any) -> None:
        self._python(
            "-c",
            "import django, json, sys\ndjango.setup()\n"
            "from providers.models import Provider\n"
            "from routing.models import ApiKey, OwnCredential, Preset\n"
            "given = json.loads(sys.argv[2])\n"
            "account = ApiKey.objects.get(digest=sys.argv[1]).account\n" + script,
            key_digest(key),
            json.dumps(given),
        )
        self.wait_served()

    def readyz(self) -> dict[str, Any]:
        report: dict[str, Any] = self.get("/readyz").json
        return report

    def chat(
        self,
        body: Any,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        path: str = CHAT,
    ) -> Answer:
        """Post to chat completions or elsewhere (a body that is not bytes is sent as JSON)."""
        return self.request("POST", path, _encoded(body), self._headers(key, headers))

    def stream(
        self,
        body: Any,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        path: str = CHAT,
    ) -> EventStream:
        """Post, to chat completions or elsewhere, and return once the status is known."""
        connection = self._connect()
        try:
            connection.request("POST", path, _encoded(body), self._headers(key, headers))
            return EventStream(connection)
        except BaseException:
            # The server may be gone by now: a test that kills it sees to that.
            connection.close()
            raise

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = self._connect()
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()

    def socket(self) -> socket.socket:
        """Return a bare connection, for what no HTTP library would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def _headers(self, key: str | None, headers: Mapping[str, str] | None) -> dict[str, str]:
        bearer = self.key if key is None else key
        authorization = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return {"Content-Type": "application/json", **authorization, **(headers or {})}


def _encoded(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


@dataclass(frozen=True, slots=True)
class _Database:
    """The database of one gateway, reached without Django."""

    url: str

    @classmethod
    def fresh(cls, home: Path) -> "_Database":
        server = os.environ.get("TEST_DATABASE_URL", "")
        if not server:
            return cls(f"sqlite:///{home / 'assay.sqlite3'}")
        name = f"assay_live_{os.getpid()}_{secrets.token_hex(4)}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return cls(urlsplit(server)._replace(path=f"/{name}").geturl())

    def drop(self) -> None:
        if self._file is None:
            self._on_server(f'DROP DATABASE IF EXISTS "{self._name}" WITH (FORCE)')

    @property
    def _name(self) -> str:
        return urlsplit(self.url).path.removeprefix("/")

    def _on_server(self, sql: str) -> None:
        with psycopg.connect(os.environ["TEST_DATABASE_URL"], autocommit=True) as connection:
            connection.execute(sql.encode())

    @property
    def _file(self) -> str | None:
        prefix = "sqlite:///"
        return self.url.removeprefix(prefix) if self.url.startswith(prefix) else None

    def rows(self, sql: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
        if self._file is None:
            with psycopg.connect(self.url, row_factory=dict_row) as server:
                return server.execute(sql.encode(), values).fetchall()
        connection = sqlite3.connect(self._file, timeout=20)
        try:
            connection.row_factory = sqlite3.Row
            found = connection.execute(sql.replace("%s", "?"), values)
            return [dict(row) for row in found]
        finally:
            connection.close()

    def take_away(self) -> None:
        if self._file is not None:
            Path(self._file).rename(f"{self._file}.away")
            Path(self._file).mkdir()
            return
        self._on_server(f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS false')
        self._on_server(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._name}'"
        )

    def bring_back(self) -> None:
        if self._file is not None:
            Path(self._file).rmdir()
            Path(f"{self._file}.away").rename(self._file)
            return
        self._on_server(f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS true')

    def dump(self) -> bytes:
        """Return the text of every row of a server's database (SQLite's is in its file)."""
        if self._file is not None:
            return b""
        tables = self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", ())
        names = [table["tablename"] for table in tables]
        texts = [self.rows(f'SELECT t::text AS text FROM "{name}" t', ()) for name in names]
        return "\n".join(row["text"] for rows in texts for row in rows).encode()

    def execute(self, sql: str, values: tuple[Any, ...]) -> None:
        if self._file is None:
            with psycopg.connect(self.url) as server:
                server.execute(sql.encode(), values)
            return
        connection = sqlite3.connect(self._file, timeout=20)
        try:
            with connection:
                connection.execute(sql.replace("%s", "?"), values)
        finally:
            connection.close()
