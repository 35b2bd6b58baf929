"""A process that records generations until it is killed, and says which ones are safe.

Run as `python -m tests.telemetry.writing_process SPOOL ENDPOINT_ID PREFIX`. It writes the number
of each generation to standard output once the recorder has answered True for all its facts.
"""

import itertools
import os
import sys
from pathlib import Path

from tests.telemetry.spooled import (
    VALID,
    attempt_fact,
    generation_fact,
    make_recorder,
)


def record_for_ever(spool: Path, endpoint_id: int, prefix: str) -> None:
    recorder = make_recorder(spool)
    for number in itertools.count(1):
        name = f"{prefix}-{number}"
        safe = recorder.generation(
            generation_fact(name, endpoint_id=endpoint_id),
            attempt_fact(name, endpoint_id=endpoint_id),
        )
        if safe and recorder.verdict(name, 1, VALID):
            os.write(sys.stdout.fileno(), f"{name}\n".encode())


if __name__ == "__main__":
    record_for_ever(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
