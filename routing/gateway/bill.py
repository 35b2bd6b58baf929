"""What a reply costs.

Owns the arithmetic, in whole picodollars (1e-12 USD), the estimate where a provider did not
count, and the bound before it was asked. It shapes no answer. The rule others rely on: the same
reply at the same prices is the same bill, exact to the last digit the database keeps.
"""

from dataclasses import dataclass

from providers.chat import Reply, Usage
from routing.gateway.admission import Prices


@dataclass(frozen=True, slots=True)
class Bill:
    """What a reply costs, in picodollars, and the token counts it was computed from."""

    usage: Usage
    prompt_pico: int
    completion_pico: int
    estimated: bool

    @property
    def total_pico(self) -> int:
        return self.prompt_pico + self.completion_pico


def bill_of(prices: Prices, reply: Reply, prompt_estimate: int) -> Bill:
    """Return what `reply` costs; without usage from upstream, by an estimate at 4 bytes a token."""
    usage = reply.usage
    estimated = usage is None
    if usage is None:
        written = len(reply.content) + reply.reasoning_chars
        written += sum(len(str(call.arguments)) for call in reply.tool_calls)
        usage = Usage(prompt_tokens=prompt_estimate, completion_tokens=max(1, written // 4))
    plain = max(0, usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens)
    read = prices.prompt if prices.cache_read is None else prices.cache_read
    write = prices.prompt if prices.cache_write is None else prices.cache_write
    return Bill(
        usage=usage,
        prompt_pico=prices.request
        + plain * prices.prompt
        + usage.cached_tokens * read
        + usage.cache_write_tokens * write,
        completion_pico=usage.completion_tokens * prices.completion,
        estimated=estimated,
    )


def most_of(prices: Prices, prompt_tokens: int, completion_tokens: int) -> int:
    """Return what a request may cost at most, in picodollars: nothing of its prompt cached."""
    prompt = max(prices.prompt, prices.cache_write or 0)
    return prices.request + prompt_tokens * prompt + completion_tokens * prices.completion
