"""What can go wrong, and whose fault is it?

The whole tree::

    CrmsimError
        ModelError
            BadValue
            BadInput
            UnknownSite
            NoRoute
            ForbiddenLink
            BadMessage
        Setback
            Unreachable
            TimedOut
        StoryError
            ActorFailed
            Deadlock
            Livelock
            EscapedSimulation
        Finding
        InternalError
            NotRepeatable

`ModelError`: the author of a scenario, a setting or an input file asked for something that makes
no sense; it is raised before the run where possible. `Setback`: trouble inside the simulated
world that an actor may catch and live with. `StoryError`: a run that cannot go on because of the
code it runs. `Finding`: a check or an expectation did not hold. `InternalError`: crmsim itself
broke a promise.

Trouble inside the simulated world is data (events such as `lost`), not an exception, except where
an actor asks a question and waits for the answer.
"""

import enum

__all__ = [
    "ActorFailed",
    "BadInput",
    "BadMessage",
    "BadValue",
    "CrmsimError",
    "Deadlock",
    "EscapedSimulation",
    "Finding",
    "ForbiddenLink",
    "Happened",
    "InternalError",
    "Livelock",
    "ModelError",
    "NoRoute",
    "NotRepeatable",
    "Setback",
    "StoryError",
    "TimedOut",
    "UnknownSite",
    "Unreachable",
]


class Happened(enum.Enum):
    """Did the thing that was asked for happen all the same?"""

    NO = "no"
    UNKNOWN = "unknown"


class CrmsimError(Exception):
    """Any error of crmsim. Never raised itself."""


class ModelError(CrmsimError):
    """The author asked for something that makes no sense."""


class BadValue(ModelError, ValueError):
    """A number out of range, a unit left out or mixed up."""


class BadInput(ModelError, ValueError):
    """A file that the user named cannot be used; the message says where, why and what to do."""


class UnknownSite(ModelError, LookupError):
    """A name that no site or actor has."""


class NoRoute(ModelError, LookupError):
    """Two sites that no link joins."""


class ForbiddenLink(ModelError):
    """A link or a site that the permitted channels of the landscape rule out."""


class BadMessage(ModelError, TypeError):
    """Something was sent that is no message, or that its receiver does not declare."""


class Setback(CrmsimError):
    """Trouble inside the simulated world, met by an actor that asked and waited."""

    happened: Happened = Happened.UNKNOWN
    """Whether the other side may have done what was asked."""


class Unreachable(Setback):
    """The question never left: the line was down."""

    happened = Happened.NO


class TimedOut(Setback, TimeoutError):
    """No answer came in time. The other side may have done what was asked all the same."""

    happened = Happened.UNKNOWN


class StoryError(CrmsimError):
    """The run cannot go on because of the code that it runs."""


class ActorFailed(StoryError):
    """A handler or a life raised; the original error is the cause of this one."""


class Deadlock(StoryError):
    """Nothing is due any more and somebody still waits."""


class Livelock(StoryError):
    """Virtual time stands still while more and more happens at one instant."""


class EscapedSimulation(StoryError):
    """Code inside the simulated world asked the real one: its clock, luck, network or threads."""


class Finding(CrmsimError, AssertionError):
    """A check or an expectation did not hold.

    Args:
        text: What was found.
        event: The number of the event that shows it first; 0 when none does.
    """

    def __init__(self, text: str, event: int = 0) -> None:
        super().__init__(text)
        self.event = event


class InternalError(CrmsimError):
    """crmsim broke a promise of its own. Please report it."""


class NotRepeatable(InternalError):
    """The same seed gave two histories."""
