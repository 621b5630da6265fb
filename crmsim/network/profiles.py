"""What are usual figures of real lines?

Each profile is a function that returns a `Link`, so that a scenario changes one figure and keeps
the others: ``gprs(loss=0.1)``. Rates are those of the line's standard. Latencies are one way, half
of a usual round trip; their spread is assumed.
"""

from typing import Any

from crmsim.chance import Lognormal
from crmsim.network.link import Link, LinkKind
from crmsim.units import parse_rate

__all__ = ["PROFILES", "gprs", "gsm", "isdn", "lan", "lte", "modem", "umts", "wan"]


def _link(median_s: float, sigma: float, rate: str, changes: dict[str, Any]) -> Link:
    figures: dict[str, Any] = {"latency": Lognormal(median_s, sigma), "rate": parse_rate(rate)}
    return Link(**{**figures, **changes})


def lan(**changes: Any) -> Link:
    """Local network, 10 Mbit/s (IEEE 802.3i 10BASE-T); round trip 5 ms (assumed)."""
    return _link(0.0025, 0.3, "10Mbit/s", changes)


def wan(**changes: Any) -> Link:
    """Leased line between two offices, 2.048 Mbit/s (ITU-T G.703); round trip 40 ms (assumed)."""
    return _link(0.020, 0.4, "2048kbit/s", changes)


def isdn(**changes: Any) -> Link:
    """One ISDN B channel, 64 kbit/s (ITU-T I.430); round trip 40 ms (assumed). A call: a stream."""
    return _link(0.020, 0.3, "64kbit/s", {"kind": LinkKind.STREAM, "dial_up": True, **changes})


def modem(**changes: Any) -> Link:
    """Telephone modem, 56 kbit/s down by ITU-T V.90 and about 40 kbit/s in use; round trip 150 ms.

    The figures in use are assumed. A call: a stream.
    """
    return _link(0.075, 0.4, "40kbit/s", {"kind": LinkKind.STREAM, "dial_up": True, **changes})


def gsm(**changes: Any) -> Link:
    """Data call over GSM, 9.6 kbit/s (3GPP TS 22.002); round trip 600 ms (assumed). A stream."""
    return _link(0.300, 0.4, "9600bit/s", {"kind": LinkKind.STREAM, "dial_up": True, **changes})


def gprs(**changes: Any) -> Link:
    """Packet radio of GSM, 4 slots of 13.4 kbit/s (3GPP TS 43.064, CS-2); round trip 600 ms.

    The round trip is assumed.
    """
    return _link(0.300, 0.6, "53.6kbit/s", changes)


def umts(**changes: Any) -> Link:
    """Third generation, 384 kbit/s (3GPP TS 25.306 class); round trip 200 ms (assumed)."""
    return _link(0.100, 0.5, "384kbit/s", changes)


def lte(**changes: Any) -> Link:
    """Fourth generation, 20 Mbit/s in use, round trip 50 ms (both assumed; 3GPP TS 36.306)."""
    return _link(0.025, 0.5, "20Mbit/s", changes)


PROFILES = {
    "lan": lan,
    "wan": wan,
    "isdn": isdn,
    "modem": modem,
    "gsm": gsm,
    "gprs": gprs,
    "umts": umts,
    "lte": lte,
}
"""Every profile by its name."""
