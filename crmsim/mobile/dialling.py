"""Which station does a laptop call, and when does it call again?

A laptop has one station or several, in order of preference. A session is with one of them at a
time: it hangs up before it calls the next one. When all were called in vain it waits and begins
again with the first one, a limited number of times; then the session is over, and the next one
tries its luck. Sources: CONTRIBUTING.md, S50, S51, S53; that a laptop may have several stations is
assumed.
"""

import attrs

from crmsim.chance import Stream
from crmsim.middleware.queue import RetryPolicy
from crmsim.units import minutes

__all__ = ["BUSY", "REDIAL_POLICY", "TRIES", "Dialling"]

BUSY = "busy"
"""Why a station with no connection left turns a call away."""

REDIAL_POLICY = RetryPolicy(first=minutes(1), factor=1.5, most=minutes(10))
"""How long a laptop waits after it has called all its stations in vain (assumed)."""
ROUNDS = 8
"""How often a session calls all stations before it is given up, about half an hour (assumed)."""
TRIES = 6
"""How often a request is sent before the session counts as broken (assumed)."""
TRIES_ELSEWHERE = 2
"""How often a call is repeated when there is another station to try (assumed)."""


@attrs.frozen
class Dialling:
    """In which order a laptop calls its stations."""

    stations: tuple[str, ...]
    """The names of their actors, the home station first."""
    policy: RetryPolicy = REDIAL_POLICY
    """How long the laptop waits after it has called all of them in vain."""

    def station(self, call: int) -> str:
        """Return which station the call of this number goes to, from 0 within a session."""
        return self.stations[call % len(self.stations)]

    @property
    def tries(self) -> int:
        """How often a call is sent before the laptop takes it for unanswered."""
        return TRIES if len(self.stations) == 1 else TRIES_ELSEWHERE

    def wait_ns(self, luck: Stream, session: int, call: int, reason: str) -> int | None:
        """Return how long to wait after a call that came to nothing; None when to give up.

        Args:
            luck: The luck of waits, keyed by session and call.
            session: The number of the session.
            call: The number of that call.
            reason: Why it came to nothing.
        """
        done, place = divmod(call + 1, len(self.stations))
        if place:
            return 0  # the next station is called at once
        is_dead = len(self.stations) == 1 and reason != BUSY
        if is_dead or done == ROUNDS:
            return None  # a single station that does not answer was tried often enough
        return self.policy.wait_ns(done - 1, luck.uniform(session, call))
