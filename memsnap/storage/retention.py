"""Which snapshots stay: all of them for a while, then one an hour, then one a day.

Decides and touches nothing: `pruning` deletes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memsnap.storage.partitions import DAY_NS

Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

HOUR_NS = 3_600 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long to keep what: ages in seconds, None without end.  Bytes, None without bound.

    Until `all_for_s` everything, until `hourly_for_s` one an hour, until `daily_for_s` one a day.
    Failures, the audit, are kept for `failures_for_s`.
    """

    all_for_s: float | None = 2 * 86_400.0
    hourly_for_s: float | None = 30 * 86_400.0
    daily_for_s: float | None = 365 * 86_400.0
    failures_for_s: float | None = 30 * 86_400.0
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The moments that a policy means: what is older is thinned to one an hour, a day, none."""

    hourly_before_ns: int
    daily_before_ns: int
    none_before_ns: int


def limits(policy: Policy, now_ns: int, *, grain_ns: int = HOUR_NS) -> Limits:
    """Return the moments that `policy` means at `now_ns`, put back to a multiple of the grain.

    So a bucket of that length is never treated in two ways.
    """

    def before(age_s: float | None) -> int:
        if age_s is None:
            return 0
        return max(0, (now_ns - round(age_s * 1e9)) // grain_ns * grain_ns)

    hourly = before(policy.all_for_s)
    daily = min(hourly, before(policy.hourly_for_s))
    return Limits(
        hourly_before_ns=hourly,
        daily_before_ns=daily,
        none_before_ns=min(daily, before(policy.daily_for_s)),
    )


def surplus(
    target: Longs,
    slot_ns: Longs,
    protected: Flags,
    *,
    limits: Limits,
    after: tuple[int, int] | None = None,
) -> Flags:
    """Return which rows are to be dropped, of rows in order of target and slot.

    Of every hour or day of a target its first row stays.  `after` is the target and slot of the
    row before the first, where the rows are one page of several.
    """
    before_target = np.concatenate(([after[0] if after else -1], target[:-1]))
    before_slot = np.concatenate(([after[1] if after else 0], slot_ns[:-1]))
    same = before_target == target
    in_hour = same & (before_slot // HOUR_NS == slot_ns // HOUR_NS)
    in_day = same & (before_slot // DAY_NS == slot_ns // DAY_NS)
    drop: Flags = np.where(slot_ns < limits.daily_before_ns, in_day, in_hour)
    drop |= slot_ns < limits.none_before_ns
    drop &= slot_ns < limits.hourly_before_ns
    drop &= ~protected
    return drop
