"""What an endpoint lacks to be on the list, in sentences for its provider.

Owns the words and the sums; pure. The rules others rely on: only figures that may be told
everybody come in, so none of few owners goes out; a number is a least one and is said to be, for
evidence is weighted, ages, and is compared with endpoints that change too; what cannot be told is
said to be untellable.
"""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

from routing.plots import CRITERIA, figure
from telemetry.scoring.method import Method

_RATES = {"accuracy": "tool calls", "losses": "replies"}


def lacking(row: Mapping[str, Any], method: Method) -> list[str]:
    """Return what is missing, one sentence each; none where the evidence would list it."""
    said = []
    if row["quarantine"]:
        said.append(
            "It is set aside. It comes back when its tool calls are proven to be mended, or when a"
            " curator releases it: ask for a re-test below."
        )
    if row["method"] not in (None, method.name):
        return [*said, f"The method in force is {row['method']}: what would do cannot be told."]
    if not row["criteria"]:
        return [*said, f"There is no evidence yet. {_enough(method)}"]
    if not row["eligible"]:
        said += _of_criteria(row["criteria"], method)
        said = said or ["It meets each criterion, but not yet surely enough, or not for long."]
    if row["decision"] == "left_out":
        said.append("A curator has left it out. Only a curator can change that: write below.")
    return said


def _of_criteria(criteria: Mapping[str, Any], method: Method) -> Iterator[str]:
    for name, label in CRITERIA.items():
        one = criteria.get(name)
        if one is None:
            continue
        if one["withheld"]:
            yield f"{label}: too few owners have used it to tell any figure, or what would do."
        elif one["verdict"] == "insufficient":
            yield f"{label}: too little is known. {_more(name, one, method)}"
        elif one["verdict"] == "fail":
            yield f"{label}: {_mend(name, one)}"


def _more(name: str, one: Mapping[str, Any], method: Method) -> str:
    if name == "ignores":
        return f"At least {method.ignore_sample} owners must have been able to ignore it."
    if name == "losses":
        return f"At least {method.loss_sample:.0f} replies are needed."
    if name == "accuracy":
        return f"{one['requests'] or 0:,} requests have been seen. {_enough(method)}"
    return "How many more requests will do depends on who sends them, and cannot be told."


def _enough(method: Method) -> str:
    return (
        f"At least {method.enter_calls:.0f} tool calls are needed, weighed by age and owner, so"
        " it may take more."
    )


def _mend(name: str, one: Mapping[str, Any]) -> str:
    bound, now = one["bound"], figure(name, one["estimate"])
    if bound is None:
        return f"it is {now}; what it is compared with may not be told, so neither what would do."
    low, high = bound
    if low is not None and high is not None:
        return f"it is {now}; between {figure(name, low)} and {figure(name, high)} is normal."
    if high is None:
        return f"it is {now}; what would do cannot be told."
    goal = f"it is {now}; it must come to {figure(name, high)} or less."
    return f"{goal} {_clean(name, one, high)}".strip()


def _clean(name: str, one: Mapping[str, Any], bound: float) -> str:
    """Say how many more without a failure would bring a rate to its bound."""
    if name not in _RATES or not one["requests"] or one["estimate"] <= bound:
        return "" if name not in _RATES else "How many more would make that sure cannot be told."
    if bound <= 0:
        return "No number of further ones brings it to none before the old ones have aged."
    more = ceil(one["requests"] * (one["estimate"] / bound - 1))
    return (
        f"At the evidence it has, that takes at least {more:,} more {_RATES[name]} without a"
        " failure, or until the old ones have aged; more, to be sure of it."
    )
