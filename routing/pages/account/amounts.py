"""Amounts as people read them: money of any size, and how many decimals it needs.

Owns the wording alone. The rule others rely on: an amount that is not nothing never reads as $0.00.
"""

_CENT = 0.01


def usd(amount: float | None) -> str:
    """Return dollars with cents; less than a cent with six decimals."""
    if amount is None:
        return "-"
    if amount == 0 or abs(amount) >= _CENT:
        return f"${amount:,.2f}"
    return f"${amount:.6f}" if abs(amount) >= 1e-6 else "< $0.000001"
