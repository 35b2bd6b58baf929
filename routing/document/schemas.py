"""Types as JSON Schema: what msgspec makes of structs, under `components.schemas`.

Owns the translation. It describes nothing itself. The rule others rely on: all types of a document
are translated together, and no two of them may have one name.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from django.db.models import TextChoices

from routing.document.operation import Words

_PLACE = "#/components/schemas/{name}"


class Schemas:
    """The schemas of some types; `components` are the structs among and inside them.

    words: descriptions of fields that their structs do not carry. Raises KeyError for a struct or
    field that is not there, ValueError for two structs of one name.
    """

    def __init__(self, kinds: Iterable[Any], words: Words) -> None:
        wanted = list(dict.fromkeys(kinds))
        found, self.components = msgspec.json.schema_components(
            wanted, ref_template=_PLACE, schema_hook=_choices
        )
        # Of two structs of one name msgspec tells the modules.
        if twice := [name for name in self.components if "." in name]:
            raise ValueError(f"give these structs names of their own: {', '.join(twice)}")
        self._of = dict(zip(wanted, found, strict=True))
        for struct, fields in words.items():
            for name, text in fields.items():
                self.components[struct.__name__]["properties"][name]["description"] = text

    def __getitem__(self, kind: Any) -> dict[str, Any]:
        return dict(self._of[kind])


def struct_of(
    name: str, said: str, *parts: type[msgspec.Struct], without: Iterable[str] = ()
) -> type[msgspec.Struct]:
    """Return a struct with the fields of all parts; of two of one name, the first.

    It is for a body that is checked in two places, each of which knows some of the fields.
    """
    fields: dict[str, Any] = {}
    for part in parts:
        for one in msgspec.structs.fields(part):
            if one.name not in fields and one.name not in without:
                told = (one.name, one.type)
                fields[one.name] = told if one.required else (*told, one.default)
    return msgspec.defstruct(name, fields.values(), namespace={"__doc__": said}, kw_only=True)


def _choices(kind: Any) -> dict[str, Any]:
    """Return the schema of a Django TextChoices, which msgspec takes for no enumeration."""
    if not issubclass(kind, TextChoices):
        raise NotImplementedError(f"no schema for {kind}")
    return {"type": "string", "enum": list(kind.values)}
