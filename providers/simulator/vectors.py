"""What a simulated embeddings endpoint hears and answers: vectors that follow from the text alone.

Owns the reading of an embeddings body, with BadRequest for what a strict server would refuse, the
vectors, and which faults can show. Pure. A vector is of unit length and says nothing of meaning;
but one text has one vector, whichever provider is asked, as two hosts of one model would have it.
"""

import base64
import hashlib
import math
from array import array
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import orjson

from providers.simulator import programs
from providers.simulator.asked import BadRequest, Directives, read_directives, text_of
from providers.simulator.faults import Stage
from providers.simulator.fleet import SimulatedEndpoint
from providers.simulator.planning import Plan, drawn_faults, time_to_first_token
from providers.simulator.programs import Program
from providers.simulator.replies import token, tokens_in

# Faults of the whole answer that need no words to be spoilt.
_BODIES = {
    "html_200": programs.whole(b"<html><body>Sign in to continue.</body></html>\n", programs.HTML),
    "empty_body": programs.whole(b""),
    "wrong_object": programs.document({"object": "list", "data": []}),
    "error_in_200": programs.document(
        {"error": {"message": "The worker died.", "type": "server_error", "code": 500}}
    ),
}


@dataclass(frozen=True)
class EmbeddingsRequest:
    model: str
    inputs: tuple[str, ...]  # as text; of token ids, their JSON
    tokens: int
    base64: bool
    dimensions: int | None
    directives: Directives


def read(body: Any, provider: str) -> EmbeddingsRequest:
    """Return the request; raise BadRequest saying which part is wrong.

    provider: the slug that was addressed; directives for other providers are passed over.
    """
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise BadRequest("model: a string is needed")
    inputs, tokens = _inputs(body.get("input"))
    encoding = body.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise BadRequest("encoding_format: float or base64 is needed")
    dimensions = body.get("dimensions")
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        raise BadRequest("dimensions: a whole number above 0 is needed")
    return EmbeddingsRequest(
        model=body["model"],
        inputs=inputs,
        tokens=tokens,
        base64=encoding == "base64",
        dimensions=dimensions,
        directives=read_directives(inputs[-1], provider),
    )


def plan(
    request: EmbeddingsRequest, endpoint: SimulatedEndpoint, rng: Random, *, received_key: str = ""
) -> Plan:
    """Return what to do. Raises BadRequest for more dimensions than the model has.

    received_key: what a 401 echoes.
    """
    if (request.dimensions or 0) > endpoint.dimensions:
        raise BadRequest(f"dimensions: at most {endpoint.dimensions}")
    forced = request.directives.faults
    delay = time_to_first_token(endpoint, rng) + request.directives.delay_seconds
    for injected in drawn_faults(endpoint, rng) if forced is None else forced:
        program = _BODIES.get(injected.name)
        if injected.fault.stage is Stage.STATUS:
            program = programs.refusal(injected, received_key)
        if program is not None:
            return Plan(replace(program, delay=delay), (injected,))
    return Plan(replace(_answer(request, endpoint, rng), delay=delay), ())


def vector(text: str, dimensions: int, most: int) -> list[float]:
    """Return the vector of a text, cut to `dimensions` of the `most` that the model has.

    >>> one = vector("A text", 3, 8)
    >>> one == vector("A text", 3, 8), round(sum(x * x for x in one), 6)
    (True, 1.0)
    """
    drawn = array("h", hashlib.shake_256(text.encode(errors="replace")).digest(2 * most))
    kept = drawn[:dimensions]
    length = math.sqrt(sum(x * x for x in kept)) or 1.0
    return [x / length for x in kept]


def _answer(request: EmbeddingsRequest, endpoint: SimulatedEndpoint, rng: Random) -> Program:
    size = request.dimensions or endpoint.dimensions
    told = [vector(text, size, endpoint.dimensions) for text in request.inputs]
    body: dict[str, Any] = {
        "id": "embd-" + token(rng, 24),
        "object": "list",
        "model": request.model,
        "data": [
            {"object": "embedding", "index": at, "embedding": _told(one, packed=request.base64)}
            for at, one in enumerate(told)
        ],
    }
    if endpoint.usage:
        body["usage"] = {"prompt_tokens": request.tokens, "total_tokens": request.tokens}
    return programs.document(body)


def _told(numbers: list[float], *, packed: bool) -> Any:
    return base64.b64encode(array("f", numbers).tobytes()).decode() if packed else numbers


def _inputs(asked: Any) -> tuple[tuple[str, ...], int]:
    """Return the inputs as texts, and how many tokens they have in all."""
    listed = asked if isinstance(asked, list) else [asked]
    if listed and type(listed[0]) is int:
        listed = [listed]
    if not listed:
        raise BadRequest("input: at least one is needed")
    texts, tokens = [], 0
    for at, one in enumerate(listed):
        text = _as_text(one)
        if not text:
            raise BadRequest(f"input[{at}]: a text, token ids or parts are needed")
        texts.append(text)
        tokens += len(one) if isinstance(one, list) else tokens_in(len(text.encode()))
    return tuple(texts), tokens


def _as_text(one: Any) -> str:
    if isinstance(one, list):
        return orjson.dumps(one).decode() if one and all(type(n) is int for n in one) else ""
    if isinstance(one, dict):
        return text_of(one.get("content")) or orjson.dumps(one).decode()
    return one if isinstance(one, str) else ""
