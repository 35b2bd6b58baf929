"""What an operator sees of load_catalog and dump_catalog."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from providers.models import Provider
from routing.models import Allowlist
from tests.catalog_rows import make_endpoint
from tests.routing.curation.test_catalog_file import FILE

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.yaml"
    path.write_text(FILE)
    return path


def run(command: str, *arguments: object, **options: Any) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command(command, *map(str, arguments), stdout=out, stderr=err, no_color=True, **options)
    return out.getvalue(), err.getvalue()


def test_says_what_was_done(file: Path) -> None:
    make_endpoint("cobalt", "cobalt/one")

    out, err = run("load_catalog", file)

    assert out.splitlines() == [
        "providers: 2 created, 0 updated, 0 unchanged; 1 not in the file, left alone",
        "models: 1 created, 0 updated, 0 unchanged; 1 not in the file, left alone",
        "endpoints: 2 created, 0 updated, 0 unchanged; 1 not in the file, left alone",
        "allowlists: 1 created, 0 updated, 0 unchanged",
        "acme/falcon-1:exacto: edition 1 is live",
    ]
    assert err == ""


def test_names_file_line_path_and_cure_of_every_error(file: Path) -> None:
    file.write_text(FILE.replace('"0.0000006"', "0.0000006").replace("name: Bolt", "nam: Bolt"))
    err = StringIO()

    with pytest.raises(CommandError, match=r"3 error.* nothing was written") as caught:
        call_command("load_catalog", str(file), stderr=err, no_color=True)

    assert caught.value.returncode == 1
    lines = err.getvalue().splitlines()
    assert [line.removeprefix(f"{file}:").split(": ")[0] for line in lines] == ["3", "3", "12"]
    assert "endpoints[0].prices.prompt: must be text: put it in quotes." in lines[2]
    assert not Provider.objects.exists()


def test_warns_and_loads(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UPSTREAM_URL_BOLT", raising=False)
    file.write_text(FILE.replace("https://bolt.test", "${UPSTREAM_URL_BOLT}"))

    _, err = run("load_catalog", file)

    assert err.startswith(f"{file}:3: warning: providers[1].base_url: the environment variable")
    assert Provider.objects.count() == 2


def test_checking_writes_nothing(file: Path) -> None:
    out, _ = run("load_catalog", file, "--check")

    assert out == f"{file} is fine: 2 providers, 1 models, 2 endpoints, 1 allowlists.\n"
    assert not Provider.objects.exists()


def test_a_dry_run_writes_nothing(file: Path) -> None:
    out, _ = run("load_catalog", file, "--dry-run")

    assert out.startswith("Nothing was written; this would change:\nproviders: 2 created")
    assert not Provider.objects.exists()


def test_publishes_in_the_name_given(file: Path) -> None:
    alice = User.objects.create_user("alice")

    run("load_catalog", file, "--as", "alice")

    assert Allowlist.objects.get().published_by == alice


def test_refuses_an_unknown_name(file: Path) -> None:
    with pytest.raises(CommandError, match="no user mallory: nothing was written"):
        run("load_catalog", file, "--as", "mallory")

    assert not Provider.objects.exists()


def test_says_when_there_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        run("load_catalog", tmp_path / "none.yaml")


def test_dumps_to_the_terminal_or_a_file_alike(file: Path, tmp_path: Path) -> None:
    run("load_catalog", file)

    shown, _ = run("dump_catalog")
    run("dump_catalog", tmp_path / "dump.yaml")

    assert (tmp_path / "dump.yaml").read_text() == shown
    assert run("load_catalog", tmp_path / "dump.yaml")[0].splitlines()[0] == (
        "providers: 0 created, 0 updated, 2 unchanged"
    )


def test_names_the_row_that_cannot_be_dumped() -> None:
    make_endpoint("cobalt", max_completion_tokens=0)
    err = StringIO()

    with pytest.raises(CommandError, match="correct it in the admin"):
        call_command("dump_catalog", stderr=err, no_color=True)

    assert "acme/falcon-1 cobalt: is out of range" in err.getvalue()
