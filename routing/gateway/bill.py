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
    """What a reply costs, in picodollars, and the token counts it was computed from.

    `own`: the account pays the provider itself. `insured`: there is nothing to pay for.
    """

    usage: Usage
    prompt_pico: int
    completion_pico: int
    estimated: bool
    own: bool = False
    insured: bool = False

    @property
    def upstream_pico(self) -> int:
        """What the provider asks for it."""
        return self.prompt_pico + self.completion_pico

    @property
    def total_pico(self) -> int:
        """What the caller is asked for it."""
        return 0 if self.own or self.insured else self.upstream_pico


def bill_of(prices: Prices, reply: Reply, prompt_estimate: int, *, own: bool = False) -> Bill:
    """Return what `reply` costs; without usage from upstream, by an estimate at 4 bytes a token."""
    usage = reply.usage
    estimated = usage is None
    if usage is None:
        written = len(reply.content) + reply.dropped_chars + reply.reasoning_chars
        written += sum(len(str(call.arguments)) for call in reply.tool_calls)
        completed = 0 if reply.vectors else max(1, written // 4)
        usage = Usage(prompt_tokens=prompt_estimate, completion_tokens=completed)
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
        own=own,
        insured=_insured(reply, usage),
    )


def _insured(reply: Reply, usage: Usage) -> bool:
    """Whether nothing was said and no reason given, or the reason was an error."""
    said = usage.completion_tokens or reply.finish_reason or reply.vectors
    return not said or reply.finish_reason == "error"


def most_of(prices: Prices, prompt_tokens: int, completion_tokens: int) -> int:
    """Return what a request may cost at most, in picodollars: nothing of its prompt cached."""
    prompt = max(prices.prompt, prices.cache_write or 0)
    return prices.request + prompt_tokens * prompt + completion_tokens * prices.completion
