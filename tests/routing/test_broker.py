import logging
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection

from routing import broker


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Any]:
    folders = {
        "data_folder_in": str(tmp_path),
        "data_folder_out": str(tmp_path),
        "control_folder": str(tmp_path / "control"),
    }
    with Connection(
        "filesystem://localhost", transport=broker.Transport, transport_options=folders
    ) as connection:
        yield connection.default_channel


def put(channel: Any, *numbers: int) -> None:
    for number in numbers:
        channel._put("sweeps", {"number": number})


def test_hands_out_messages_once_and_in_order(channel: Any, tmp_path: Path) -> None:
    put(channel, 1, 2)

    assert [channel._get("sweeps")["number"] for _ in range(2)] == [1, 2]
    with pytest.raises(Empty):
        channel._get("sweeps")
    assert list(tmp_path.iterdir()) == []


def test_another_queue_is_not_touched(channel: Any) -> None:
    put(channel, 1)

    with pytest.raises(Empty):
        channel._get("other")
    assert channel._size("sweeps") == 1


def test_a_message_still_being_written_is_not_there_yet(
    channel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    write = Path.write_text

    def watched(path: Path, text: str) -> int:
        written = write(path, text)
        seen.append(channel._size("sweeps"))
        return written

    monkeypatch.setattr(Path, "write_text", watched)
    put(channel, 1)

    assert seen == [0]
    assert channel._size("sweeps") == 1


def test_a_message_another_worker_took_is_passed_over(
    channel: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(channel, 2)
    gone = tmp_path / "00000000000000000001_a.sweeps.msg"
    listed = broker._messages
    monkeypatch.setattr(broker, "_messages", lambda *a: [gone, *listed(*a)])

    assert channel._get("sweeps") == {"number": 2}


def test_a_queue_nobody_reads_stops_growing(
    channel: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(broker, "MAX_WAITING", 2)

    with caplog.at_level(logging.ERROR):
        put(channel, 1, 2, 3)

    assert channel._size("sweeps") == 2
    assert "nobody reads" in caplog.text
