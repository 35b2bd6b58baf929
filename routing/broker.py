"""The embedded broker: Celery messages as files, each complete from the moment it is seen.

Owns two steps of kombu's filesystem transport that are not safe there: it lets a reader open a
message still being written, on which the worker dies, and moves messages by way of /tmp. The
rules others rely on: a message is delivered to one reader, whole; a queue that nobody reads
stops growing, because what travels here are sweeps that may be lost.
"""

import logging
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

logger = logging.getLogger(__name__)

MAX_WAITING = 1_000


class Channel(filesystem.Channel):
    # The stubs of kombu's two base classes name the parameter differently.
    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        if len(_messages(folder, queue)) >= MAX_WAITING:
            logger.error("message dropped: nobody reads the queue %s", queue)
            return
        name = f"{time.time_ns():020}_{uuid.uuid4().hex}.{queue}"
        unfinished = folder / f"{name}.new"
        unfinished.write_text(dumps(payload))
        unfinished.rename(folder / f"{name}.msg")

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for path in _messages(Path(self.data_folder_in), queue):
            try:
                taken = path.rename(path.with_suffix(".taken"))
            except FileNotFoundError:
                continue  # another worker was faster
            text = taken.read_text()
            taken.unlink()
            return loads(text)
        raise Empty


class Transport(filesystem.Transport):
    Channel = Channel


def _messages(folder: Path, queue: str) -> list[Path]:
    """Return the queue's messages, oldest first."""
    return [
        path for path in sorted(folder.iterdir()) if path.name.partition(".")[2] == f"{queue}.msg"
    ]
