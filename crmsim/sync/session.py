"""Which phases does a session of a laptop go through, and what may follow what?

A session (SAP: ConnTrans) is always begun by the laptop. It sends first, then receives, hangs up,
and imports offline what it received. When the line breaks, it waits about a minute and imports what
it has. Sources: CONTRIBUTING.md, S50, S51, S52.
"""

import enum

from crmsim.errors import BadValue
from crmsim.units import Duration, minutes

__all__ = ["FOLLOWS", "WAIT_AFTER_BREAK", "Phase", "next_phase"]

WAIT_AFTER_BREAK: Duration = minutes(1)
"""How long after a broken line the laptop waits before it imports what it has (S51)."""


class Phase(enum.Enum):
    """Where a session is."""

    INIT = "INIT"
    AUTH = "AUTH"
    SEND = "SEND"
    RECEIVE = "RECEIVE"
    IMPORT = "IMPORT"
    FINAL = "FINAL"

    @property
    def is_on_line(self) -> bool:
        """Whether the laptop holds the line open in this phase."""
        return self in (Phase.INIT, Phase.AUTH, Phase.SEND, Phase.RECEIVE)


FOLLOWS: dict[tuple[Phase, bool], Phase | None] = {
    (Phase.INIT, True): Phase.AUTH,
    (Phase.AUTH, True): Phase.SEND,
    (Phase.SEND, True): Phase.RECEIVE,
    (Phase.RECEIVE, True): Phase.IMPORT,
    (Phase.IMPORT, True): Phase.FINAL,
    (Phase.FINAL, True): None,
    (Phase.INIT, False): None,
    (Phase.AUTH, False): Phase.IMPORT,
    (Phase.SEND, False): Phase.IMPORT,
    (Phase.RECEIVE, False): Phase.IMPORT,
    (Phase.IMPORT, False): None,
    (Phase.FINAL, False): None,
}
"""(phase, whether it went well) -> the phase that follows; None ends the session."""


def next_phase(phase: Phase, *, went_well: bool) -> Phase | None:
    """Return the phase that follows, or None when the session is over.

    Raises:
        BadValue: there is no such phase.
    """
    try:
        return FOLLOWS[phase, went_well]
    except KeyError:
        raise BadValue(f"{phase!r} is no phase of a session") from None
