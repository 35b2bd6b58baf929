"""The ids of output items.

Owns how they are made: of the generation's id and a number, so that they are unique without any
chance in them. The rule others rely on: an id made here is known again, because to the provider
that is sent a conversation later it would mean nothing.
"""

import re

_OURS = re.compile(r"(rs|msg|fc|ctc|call)_gen-[0-9]+-[0-9A-Za-z]+_[0-9]+")


def item_id(prefix: str, generation_id: str, number: int) -> str:
    """Return the id of an item.

    >>> item_id("msg", "gen-1752683145-7ZUgws1W", 0)
    'msg_gen-1752683145-7ZUgws1W_0'
    """
    return f"{prefix}_{generation_id}_{number}"


def is_ours(said: str) -> bool:
    return _OURS.fullmatch(said) is not None
