"""The systems side by side: each one installed if need be, configured, started and described.

All proxy to the same mock upstream with one web process. `start_*` raises Unavailable with a
reason when a system cannot take part, and the report prints it. Assay's adapter is in gateway.py.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Processes, Unavailable, capabilities, free_port, run

HERE = Path(__file__).resolve().parent
LITELLM_VENV = HERE / ".peers" / "litellm"
# httptools, opentelemetry and prisma: without them LiteLLM tries the import again at each request.
LITELLM_PACKAGES = [
    "litellm[proxy]<1.109",
    "httptools",
    "uvloop",
    "opentelemetry-sdk",
    "opentelemetry-exporter-otlp",
    "prisma",
]
KINDS = ("json", "burst", "paced", "slow")
PROVIDERS = ("basalt", "cinnabar", "dolomite")


@dataclass(frozen=True)
class System:
    """One running system: where to send requests, and which processes are charged for them."""

    name: str
    version: str
    port: int
    root: int | None  # None: no process of its own
    key: str = "sk-bench"
    path: str = "/v1/chat/completions"
    model: str = "bench-{kind}"
    workers: tuple[int, ...] = ()  # roots of the background processes, reported on their own


@dataclass(frozen=True)
class Upstream:
    """The mock provider, and whether it is the compiled one."""

    port: int
    pid: int
    compiled: bool


def start_upstream(processes: Processes, canned: tuple[Path, Path]) -> Upstream:
    env, port = capabilities(), free_port()
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    command = [sys.executable, "-m", "bench.upstream"]
    if compiler:
        binary = processes.folder / "upstream"
        source = str(HERE / "upstream.c")
        run([compiler, "-O2", "-o", str(binary), source], processes.folder / "cc.log", env=env)
        command = [str(binary)]
    env["PYTHONPATH"] = str(HERE.parent)
    pid = processes.start("upstream", [*command, str(port), *map(str, canned)], env)
    processes.wait_for("upstream", pid, f"http://127.0.0.1:{port}/")
    return Upstream(port, pid, bool(compiler))


NGINX_CONFIG = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000; client_body_buffer_size 128k;
  client_body_temp_path {folder}/nginx-body; proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-f; uwsgi_temp_path {folder}/nginx-u;
  scgi_temp_path {folder}/nginx-s;
  upstream mock {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


def start_nginx(processes: Processes, upstream: Upstream) -> System:
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if not binary:
        raise Unavailable("not installed; on Debian: apt-get install nginx-light")
    port, config = free_port(), processes.folder / "nginx.conf"
    config.write_text(
        NGINX_CONFIG.format(folder=processes.folder, port=port, upstream=upstream.port)
    )
    version = subprocess.run([binary, "-v"], capture_output=True, text=True).stderr
    command = [binary, "-e", str(processes.folder / "nginx.log"), "-c", str(config)]
    pid = processes.start("nginx", command, capabilities())
    processes.wait_for("nginx", pid, f"http://127.0.0.1:{port}/")
    return System("nginx", version.strip().rpartition("/")[2], port, pid)


def install_litellm(log: Path) -> None:
    """Makes LiteLLM's own environment once; a marker tells a finished one from a broken one."""
    marker = LITELLM_VENV / "complete"
    if marker.exists():
        return
    print("installing LiteLLM into bench/.peers (once, about two minutes) …", flush=True)
    shutil.rmtree(LITELLM_VENV, ignore_errors=True)
    env = capabilities()
    run([sys.executable, "-m", "venv", str(LITELLM_VENV)], log, env=env)
    pip = [str(LITELLM_VENV / "bin" / "python"), "-m", "pip", "install", "-q"]
    run([*pip, *LITELLM_PACKAGES], log, env=env)
    marker.touch()


LITELLM_MODEL = """
  - model_name: bench-{kind}
    litellm_params:
      model: openai/bench-{kind}
      api_base: http://127.0.0.1:{upstream}/{provider}/v1
      api_key: none
"""
LITELLM_SETTINGS = """
litellm_settings: {set_verbose: false, num_retries: 0, request_timeout: 60}
router_settings: {routing_strategy: simple-shuffle}
general_settings: {master_key: sk-bench-not-the-default}
"""


def start_litellm(processes: Processes, upstream: Upstream) -> System:
    """LiteLLM without a database: its cheapest form, with a key and three deployments per model."""
    install_litellm(processes.folder / "pip.log")
    models = "".join(
        LITELLM_MODEL.format(kind=kind, upstream=upstream.port, provider=provider)
        for kind in KINDS
        for provider in PROVIDERS
    )
    port, config = free_port(), processes.folder / "litellm.yaml"
    config.write_text(f"model_list:{models}{LITELLM_SETTINGS}")
    env = capabilities() | {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "NO_PROXY": "*",
    }
    python = str(LITELLM_VENV / "bin" / "python")
    command = [str(LITELLM_VENV / "bin" / "litellm"), "--config", str(config), "--port", str(port)]
    pid = processes.start(
        "litellm", [python, *command, "--host", "127.0.0.1", "--num_workers", "1"], env
    )
    processes.wait_for("litellm", pid, f"http://127.0.0.1:{port}/health/liveliness")
    script = "import importlib.metadata as m; print(m.version('litellm'))"
    version = run([python, "-c", script], processes.folder / "pip.log", env=env).strip()
    return System("litellm", version, port, pid, key="sk-bench-not-the-default")


def direct(upstream: Upstream) -> System:
    """No gateway at all: what the upstream and the load generator can do, and their latency."""
    kind = "C" if upstream.compiled else "Python (no C compiler found)"
    return System("upstream", kind, upstream.port, None)
