"""The answer of POST /embeddings, as every client of the contract parses it.

Owns which keys are there. It reads no provider's answer: the vectors are JSON by now. The rule
others rely on: `usage` always has its cost, and tokens by modality only where there are several.
Source: openrouter-fields, createEmbeddings.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from routing.gateway.bill import Bill
from routing.gateway.shapes.shape import Head


def embeddings(
    body: dict[str, Any], bill: Bill, head: Head, metadata: dict[str, Any] | None
) -> Iterator[bytes]:
    """Yield the answer's JSON for a body that `EmbeddingsRequest.read_answer` has made.

    It comes in pieces, none longer than a vector: put together, all of it may take long to copy.
    """
    shown = _around(body, bill, head)
    if metadata is not None:
        shown["openrouter_metadata"] = metadata
    yield orjson.dumps(shown)[:-1] + b',"data":['
    for at, vector in enumerate(body["vectors"]):
        yield b'%s{"object":"embedding","index":%d,"embedding":' % (b"," if at else b"", at)
        yield vector
        yield b"}"
    yield b"]}"


def _around(body: dict[str, Any], bill: Bill, head: Head) -> dict[str, Any]:
    return {
        "id": head.generation_id,
        "object": "list",
        "model": head.model,
        "provider": head.provider,
        "usage": _usage(bill, body["prompt_tokens_details"]),
    }


def _usage(bill: Bill, details: dict[str, int]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "prompt_tokens": bill.usage.prompt_tokens,
        "total_tokens": bill.usage.prompt_tokens,
        "cost": bill.total_pico / 1e12,
        "is_byok": bill.own,
        "cost_details": {
            "upstream_inference_cost": bill.upstream_pico / 1e12,
            "upstream_inference_prompt_cost": bill.prompt_pico / 1e12,
            "upstream_inference_completions_cost": 0,
        },
    }
    if len(details) > 1:
        shown["prompt_tokens_details"] = details
    if bill.estimated:
        shown["estimated"] = True
    return shown
