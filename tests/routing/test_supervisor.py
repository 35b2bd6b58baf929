"""The supervisor with small programs: starting, restarting, giving up, and stopping in order."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from routing import supervisor
from routing.supervisor import Child, Supervisor
from tests.live import eventually

# Says in a file that it runs, and on SIGTERM that it ends.
OBEDIENT = """
import signal, sys, time
name, file = sys.argv[1:]
def note(word):
    with open(file, "a") as out:
        out.write(f"{word} {name}\\n")
def end(*_):
    note("end")
    sys.exit()
signal.signal(signal.SIGTERM, end)
note("run")
time.sleep(60)
"""
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with open(sys.argv[2], "w") as out:
    out.write(f"{os.getpid()} {left.pid} .")
time.sleep(60)
"""
CRASHES_ONCE = f"""
import os, sys
if not os.path.exists(sys.argv[2]):
    open(sys.argv[2], "w").close()
    sys.exit(3)
{OBEDIENT}
"""


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """Give the signals back that a supervisor takes over."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    kept[signal.SIGHUP] = signal.getsignal(signal.SIGHUP)
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


class Rig:
    """A supervisor of Python programs that note what they do in `notes`."""

    def __init__(self, folder: Path, **programs: str) -> None:
        self.notes = folder / "notes"
        self.said: list[str] = []
        self.children = [
            Child(name, [sys.executable, "-c", code, name, str(self.notes)], stop_s=1)
            for name, code in programs.items()
        ]
        self.supervisor = Supervisor(
            self.children, logs=folder / "log", environ=os.environ, say=self.said.append
        )

    def run(self, until: str, signum: int = signal.SIGTERM) -> int:
        """Run until the notes have these words, then send this process the signal."""
        self.supervisor.start()
        return self.supervisor.run(
            ready=lambda: until in self.noted(), on_ready=lambda: os.kill(os.getpid(), signum)
        )

    def noted(self) -> str:
        return self.notes.read_text() if self.notes.exists() else ""


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stops_the_children_in_order(tmp_path: Path, signum: int) -> None:
    rig = Rig(tmp_path, one=OBEDIENT, two=OBEDIENT, three=OBEDIENT)

    rig.supervisor.start()
    eventually(lambda: rig.noted().count("run") == 3)
    code = rig.supervisor.run(lambda: True, lambda: os.kill(os.getpid(), signum))

    assert code == 0
    assert rig.noted().splitlines()[3:] == ["end one", "end two", "end three"]
    assert rig.said == []


def test_starts_a_crashed_child_again_and_says_so(tmp_path: Path) -> None:
    rig = Rig(tmp_path, child=CRASHES_ONCE)

    assert rig.run(until="run child") == 0
    assert rig.said == ["child ended (3): starting it again."]


def test_gives_up_on_a_child_that_keeps_crashing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_MOST_CRASHES", 2)
    rig = Rig(tmp_path, good=OBEDIENT, bad="import sys; sys.exit('broken')")

    assert rig.run(until="never") == 1
    log = tmp_path / "log" / "bad.log"
    assert rig.said == [
        "bad ended (1): starting it again.",
        f"bad keeps ending: stopping. Its last words are in {log}.",
    ]
    assert log.read_text() == "broken\n" * 2
    assert all(child.process and child.process.poll() is not None for child in rig.children)


def test_kills_a_child_that_does_not_end_and_what_it_left(tmp_path: Path) -> None:
    rig = Rig(tmp_path, stubborn=STUBBORN)

    assert rig.run(until=".") == 0
    assert rig.said == ["stubborn does not end: killing it."]
    pids = [int(pid) for pid in rig.noted().split()[:2]]
    eventually(lambda: not any(map(_runs, pids)))


def _runs(pid: int) -> bool:
    """Tell whether the process is alive; a dead one may still wait for its parent."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
