"""The recordings of quirks, their sources and their sentences belong together."""

import re
from pathlib import Path

from tests.providers.quirk_files import recordings

DOCS = Path(__file__).resolve().parents[2] / "docs" / "quirks.md"


def test_every_recording_has_its_sentence_and_every_sentence_its_recording() -> None:
    named = re.findall(r"`([\w-]+\.(?:sse|json))`", DOCS.read_text())

    assert sorted(named) == sorted(recordings())


def test_every_recording_says_who_sends_it_and_how_that_is_known() -> None:
    for name, recording in recordings().items():
        assert recording.server, name
        assert recording.source.startswith("https://"), name
        assert recording.body.strip(), name
