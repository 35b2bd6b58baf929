import pytest

from providers.catalog.source import MAX_BYTES, CatalogError, read


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(CatalogError) as caught:
        read(text if isinstance(text, bytes) else text.encode())
    return [str(problem) for problem in caught.value.problems]


def test_knows_the_line_of_every_value() -> None:
    source = read(b"# first\nproviders:\n  - slug: a\n    name: A\n  - slug: b\n")

    assert source.value == {"providers": [{"slug": "a", "name": "A"}, {"slug": "b"}]}
    assert source.problem(("providers", 0, "name"), "x").line == 4
    assert source.problem(("providers", 1), "x").line == 5


def test_names_the_nearest_written_line_for_what_is_missing() -> None:
    source = read(b"providers:\n  - slug: a\n")

    assert source.problem(("providers", 0, "name"), "x").line == 2


def test_reads_json_with_its_lines() -> None:
    source = read(b'{\n\t"providers": [\n\t\t{"slug": "\\u00e9\\/"}\n\t]\n}\n')

    assert source.value == {"providers": [{"slug": "é/"}]}
    assert source.lines["providers", 0, "slug"] == 3


def test_reads_dates_as_text() -> None:
    assert read(b"day: 2025-09-05").value == {"day": "2025-09-05"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: 1\na: 2", "2: a: appears twice, first on line 1.", id="duplicate key"),
        pytest.param(
            '{"b": {"a": 1,\n "a": 2}}', "2: b.a: appears twice, first on line 1.", id="in json"
        ),
        pytest.param(
            "\na: &x [1]\nb: 1",
            "2: a: an anchor (&name) is not supported: write the value out.",
            id="anchor",
        ),
        pytest.param(
            "a: !!python/name:os.system x",
            "1: a: a tag (!name) is not supported: remove it.",
            id="tag",
        ),
        pytest.param("[1]: 2", "1: file: a field's name must be plain text.", id="list as key"),
        pytest.param("", "1: file: is empty: start with `providers:`.", id="empty"),
        pytest.param(
            "a: 1\n---\nb: 2",
            "2: file: holds a second document: keep to one, without `---`.",
            id="two documents",
        ),
        pytest.param(b"a: 1\nb: \xff", "2: file: is not UTF-8: save it as UTF-8.", id="not UTF-8"),
        pytest.param(
            'a:\n  - "x\\0"',
            "2: a[0]: holds a control character or half a character: take it out.",
            id="NUL",
        ),
        pytest.param(
            "a: " + "9" * 5000, "1: a: is not a number that can be read.", id="huge number"
        ),
    ],
)
def test_refuses_with_a_line(text: str | bytes, expected: str) -> None:
    assert expected in problems(text)


def test_refuses_an_alias_bomb_without_expanding_it() -> None:
    bomb = "a: &a [x]\n" + "\n".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]" for i in range(20)
    )

    assert "an alias (*name) is not supported: write the value out." in " ".join(problems(bomb))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 5_000_000, id="deep flow"),
        pytest.param("a:\n" + "\n".join(" " * i + "a:" for i in range(1, 200)), id="deep block"),
        pytest.param("[" + "a," * 600_000 + "]", id="many values"),
    ],
)
def test_refuses_what_would_exhaust_the_process(text: str) -> None:
    assert "holds too much, or too deep" in problems(text)[0]


def test_refuses_a_file_over_the_size_limit() -> None:
    assert problems(b" " * (MAX_BYTES + 1)) == ["1: file: is over 16 MiB: split it."]


def test_names_the_line_of_a_syntax_error() -> None:
    assert problems("a: 1\nb: [1, 2\nc: 3\n")[0].startswith("3: file: cannot be read as YAML: ")
