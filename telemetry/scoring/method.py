"""The thresholds of the scoring method: every number that decides, with its unit and default.

Owns the numbers only; the formulas are in the modules that read them. The rule others rely on:
a score names its method (`name`), so a changed default goes with a changed name. docs/scoring.md
lists every field, and a test compares the two.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Method:
    """What the scoring method asks for. Rates are shares of 1, times hours unless said."""

    name: str = "assay-1"

    # Who votes
    trusted_share: float = (
        0.30  # untrusted slots are dropped once others hold this share of traffic ...
    )
    trusted_calls: float = 1000.0  # ... or this many requests per endpoint, whatever their share
    slot_share: float = 0.05  # the most that one slot weighs in the mix that rates are made for

    # Accuracy: endpoint x slot model of failures
    spread: float = (
        0.25  # prior variance of an owner's own luck with an endpoint (log scale, squared)
    )
    spread_df: float = 20.0  # how many cells that prior is worth
    spread_low: float = 0.05
    spread_high: float = 1.5
    lone_spread: float = 0.5  # least variance of benchmarks, and of a pool with one slot only
    exclusive_failures: float = (
        10.0  # effective failures beyond which exclusive owners have no vote
    )
    prior_failures: float = 2.0  # prior of a stratum's rate ...
    prior_attempts: float = 200.0  # ... in attempts
    outlier: float = 3.0  # standard deviations beyond which a cell is drawn in
    least_cv: float = 0.12  # no rate is known better than this (coefficient of variation)
    slot_factor: float = 6.0  # a slot is at most so many times harder or easier in the mix

    # Accuracy: who is near enough to the best
    best_certainty: float = 0.70  # "best" is the rate that the best endpoint is this surely below
    best_shape: float = 3.0  # effective failures, or else `enter_calls`, to have a say in "best"
    margin_share: float = 0.5  # of the best rate ...
    margin_low: float = 0.010  # ... but at least
    margin_high: float = 0.030  # ... and at most; also the margin of the author's own endpoint

    # Propensity: endpoint x slot model of log odds to call a tool
    propensity_margin: float = 0.30  # log odds to the reference that are still normal
    propensity_spread: float = 0.25  # prior standard deviation of endpoints, log odds
    owner_spread: float = 1.0  # prior standard deviation of owners, log odds
    vendor_variance: float = 0.015  # natural variance between vendors, log odds squared
    exclusive_information: float = 50.0  # information beyond which exclusive owners have no vote
    reference_error: float = 0.20  # largest standard error of a reference, log odds
    median_endpoints: int = 3  # so many known as well as a reference, or the median is of all
    median_error: float = 0.03  # added standard error where the median is the reference

    # Benchmarks
    benchmark_requests: float = 30.0  # decayed replies; fewer are no evidence, which is unknown
    benchmark_required: bool = False  # nobody enters without one; no one fails or leaves for it
    divergence_factor: float = 2.0  # so many times worse live than its peers: possible gaming ...
    divergence_doubt: float = 0.05  # ... if this sure that it is not less

    # Ignores
    ignore_prior: float = 8.0  # owners that the prior is worth
    ignore_share: float = 0.10  # frequently ignored: by more than this share ...
    ignore_factor: float = 2.5  # ... and more than so many times the pool's median
    ignore_owners: int = 3  # fewer ignoring owners are never "frequently"
    ignore_sample: int = 10  # fewer owners who could ignore it: too few to tell

    # Lost replies (broken off, or timed out)
    loss_ceiling: float = 0.05  # share of replies lost ...
    loss_factor: float = 3.0  # ... or so many times the pool's best, if that is more
    loss_sample: float = 50.0  # effective replies needed to judge

    # Standing
    first_accuracy: float = 0.30  # first list: least probability to be near the best
    first_doubt: float = 0.05  # the same, and for members, with few failures; surely bad below
    few_failures: float = 7.0  # effective failures; fewer come by chance easily
    first_propensity: float = 0.30
    leave_accuracy: float = 0.10  # members leave below; P errs on the low side there
    leave_propensity: float = 0.10
    leave_ignores: float = 0.90  # members leave, and none enters a first list, from here on
    enter_accuracy: float = 0.80  # others enter from here on
    enter_propensity: float = 0.50
    enter_ignores: float = 0.50  # others enter below
    enter_calls: float = 150.0  # effective tool calls; fewer are insufficient data
    enter_hours: float = 24.0  # since leaving
    quarantine_hours: tuple[float, ...] = (2.0, 8.0, 24.0, 72.0)  # 1st, 2nd, ... within 30 days
    minimum_pool: int = 1  # endpoints; the least bad are kept to reach it

    # Detection
    alarm_failures: float = 9.2  # sum of the capped statistics
    alarm_recovery: float = 6.0
    alarm_propensity: float = 9.0
    slot_cap: float = 3.0  # the most one slot adds to an alarm, if there are enough slots ...
    cap_total: float = 9.7  # ... and all active slots together at least
    drift: float = 1.15  # expected failures are taken this much larger
    rise_factor: float = 3.0  # the first alternative: so many times the rate ...
    rise_points: float = 0.015  # ... or the rate and this, if that is more
    outage_factor: float = 25.0  # the second alternative: at least so many times the rate ...
    outage_rate: float = 0.6  # ... but no more than this rate
    recovery_factor: float = 1 / 3  # the alternative of the recovery detector
    recovery_drift: float = 0.885
    recovery_cap: float = 1.0  # the most one slot adds in one hour
    propensity_shift: float = 0.5  # the alternative of the propensity detector, log odds
    few_slots: int = 2  # so few active slots: confirm with probes before acting
    mass_members: int = 2  # so many members ...
    mass_suspicion: float = 1 / 3  # this part of an alarm counts as alarmed once another is
    mass_share: float = 0.5  # ... and this share of all, alarmed at once: freeze the list

    def first_bar(self, failures: float) -> float:
        """Return the least P_accuracy of a first list, given effective `failures`.

        A few failures come by chance: to keep an endpoint out, they must say so more surely.
        """
        return self.first_doubt if failures < self.few_failures else self.first_accuracy

    def leave_bar(self, failures: float) -> float:
        """Return the P_accuracy below which a member leaves, given effective `failures`."""
        return self.first_doubt if failures < self.few_failures else self.leave_accuracy


DEFAULT: Final = Method()
# In which counters lose half of their weight: evidence is aged as it is read.
HALF_LIFE: Final = timedelta(hours=168)
