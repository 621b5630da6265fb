"""When does the warehouse ship?"""

from crmsim.units import days, hours

__all__ = ["SHIPPING_HOUR_NS", "ship_time_ns"]

SHIPPING_HOUR_NS = hours(16)
"""When the lorry leaves (assumed)."""


def ship_time_ns(planned_day: int, now_ns: int) -> int:
    """Return when an order that is ready now is shipped: on its planned day, or at once if later.

    >>> ship_time_ns(2, days(1)) == days(2) + hours(16)
    True
    """
    return max(days(planned_day) + SHIPPING_HOUR_NS, now_ns)
