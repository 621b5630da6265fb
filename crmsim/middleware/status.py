"""Through which states does a BDoc go on its way through the server?

The states are those of the BDoc monitor (SAP: transaction SMW01). Intermediate ones come and go by
themselves. A final one is the end: whatever comes after it is an error. A BDoc in an error state
has left its queue, so those behind it go on; it waits for a person. Sources: CONTRIBUTING.md, S33,
S36, S66; the transitions are assumed.
"""

import enum

from crmsim.errors import BadValue

__all__ = ["TRANSITIONS", "BDocEvent", "BDocState", "StateClass", "WrongBDocEvent", "after"]


class WrongBDocEvent(BadValue):
    """Something happened to a BDoc that cannot happen in its state."""


class StateClass(enum.Enum):
    """What a state means for those who wait."""

    INTERMEDIATE = "on its way"
    RETRYABLE = "will be tried again"
    WAITING = "waits for its receivers"
    FINAL = "done for good"
    ERROR = "waits for a person"


class BDocState(enum.Enum):
    """Where a BDoc is."""

    RECEIVED = "I01"
    IN_QUEUE = "I02"
    AFTER_QUEUE = "I03"
    BEFORE_UPDATE = "I04"
    HELD_FOR_DEBUGGING = "D01"
    LACKS_RESOURCES = "T01"
    TO_BE_RETRIED = "R01"
    SENT_TO_RECEIVERS = "O01"
    REJECTED = "F01"
    CONFIRMED = "F02"
    SET_TO_PROCESSED = "F03"
    CONFIRMED_BY_ALL = "F04"
    INFORMATION = "F05"
    TECHNICAL_ERROR = "E01"
    RECEIVER_ERROR = "E02"
    UNREADABLE = "E03"
    VALIDATION_ERROR = "E04"
    INBOUND_FAILED = "E05"
    OUTBOUND_FAILED = "E06"
    CONVERSION_ERROR = "E07"
    MAPPING_ERROR = "E08"
    UPDATE_FAILED = "E09"

    @property
    def state_class(self) -> StateClass:
        """What the state means for those who wait."""
        return _CLASSES[self.value[0]]

    @property
    def is_final(self) -> bool:
        """Whether nothing happens to it any more."""
        return self.state_class is StateClass.FINAL

    @property
    def is_error(self) -> bool:
        """Whether it waits for a person."""
        return self.state_class is StateClass.ERROR


_CLASSES = {
    "I": StateClass.INTERMEDIATE,
    "D": StateClass.INTERMEDIATE,
    "T": StateClass.RETRYABLE,
    "R": StateClass.RETRYABLE,
    "O": StateClass.WAITING,
    "F": StateClass.FINAL,
    "E": StateClass.ERROR,
}


class BDocEvent(enum.Enum):
    """What happens to a BDoc."""

    ENQUEUED = "enqueued"
    STEPPED = "stepped"
    SAVED_FOR_UPDATE = "saved for update"
    VALIDATED = "validated"
    INFORMED = "informed"
    REFUSED = "refused"
    ANSWERED_NO = "answered no"
    BUSY = "busy"
    RETRIED = "retried"
    GAVE_UP = "gave up"
    HANDED_OVER = "handed over"
    ALL_ANSWERED = "all answered"
    ONE_FAILED = "one failed"
    REPAIRED = "repaired"
    REPROCESSED = "reprocessed"
    SET_PROCESSED = "set processed"
    UNREADABLE = "unreadable"
    DEBUG_STOP = "debug stop"
    DEBUG_GO = "debug go"
    INBOUND_BROKE = "inbound broke"
    OUTBOUND_BROKE = "outbound broke"
    NOT_CONVERTIBLE = "not convertible"
    NOT_MAPPABLE = "not mappable"
    UPDATE_BROKE = "update broke"


_S, _E = BDocState, BDocEvent
_WORKING = (_S.AFTER_QUEUE, _S.BEFORE_UPDATE)
_ERRORS = tuple(state for state in BDocState if state.is_error)
_LIVE = tuple(state for state in BDocState if not state.is_final)

TRANSITIONS: dict[tuple[BDocState, BDocEvent], BDocState] = {
    (_S.RECEIVED, _E.ENQUEUED): _S.IN_QUEUE,
    (_S.RECEIVED, _E.DEBUG_STOP): _S.HELD_FOR_DEBUGGING,
    (_S.HELD_FOR_DEBUGGING, _E.DEBUG_GO): _S.IN_QUEUE,
    (_S.IN_QUEUE, _E.STEPPED): _S.AFTER_QUEUE,
    (_S.AFTER_QUEUE, _E.SAVED_FOR_UPDATE): _S.BEFORE_UPDATE,
    (_S.BEFORE_UPDATE, _E.VALIDATED): _S.CONFIRMED,
    (_S.BEFORE_UPDATE, _E.INFORMED): _S.INFORMATION,
    (_S.BEFORE_UPDATE, _E.HANDED_OVER): _S.SENT_TO_RECEIVERS,
    (_S.VALIDATION_ERROR, _E.ANSWERED_NO): _S.REJECTED,
    (_S.LACKS_RESOURCES, _E.RETRIED): _S.TO_BE_RETRIED,
    (_S.TO_BE_RETRIED, _E.ENQUEUED): _S.IN_QUEUE,
    (_S.LACKS_RESOURCES, _E.GAVE_UP): _S.TECHNICAL_ERROR,
    (_S.TO_BE_RETRIED, _E.GAVE_UP): _S.TECHNICAL_ERROR,
    (_S.SENT_TO_RECEIVERS, _E.ALL_ANSWERED): _S.CONFIRMED_BY_ALL,
    (_S.SENT_TO_RECEIVERS, _E.ONE_FAILED): _S.RECEIVER_ERROR,
    (_S.RECEIVER_ERROR, _E.REPAIRED): _S.CONFIRMED_BY_ALL,
    **{(state, _E.BUSY): _S.LACKS_RESOURCES for state in _WORKING},
    **{(state, _E.REFUSED): _S.VALIDATION_ERROR for state in _WORKING},
    **{(state, _E.GAVE_UP): _S.TECHNICAL_ERROR for state in _WORKING},
    **{(state, _E.INBOUND_BROKE): _S.INBOUND_FAILED for state in _WORKING},
    **{(state, _E.OUTBOUND_BROKE): _S.OUTBOUND_FAILED for state in _WORKING},
    **{(state, _E.NOT_CONVERTIBLE): _S.CONVERSION_ERROR for state in _WORKING},
    **{(state, _E.NOT_MAPPABLE): _S.MAPPING_ERROR for state in _WORKING},
    **{(state, _E.UPDATE_BROKE): _S.UPDATE_FAILED for state in _WORKING},
    **{(state, _E.REPROCESSED): _S.IN_QUEUE for state in _ERRORS if state is not _S.UNREADABLE},
    **{(state, _E.SET_PROCESSED): _S.SET_TO_PROCESSED for state in _ERRORS},
    **{(state, _E.UNREADABLE): _S.UNREADABLE for state in _LIVE if state is not _S.UNREADABLE},
}
"""Every transition there is; any other pair of a state and an event is a `WrongBDocEvent`."""


def after(state: BDocState, event: BDocEvent) -> BDocState:
    """Return the state after an event.

    Raises:
        WrongBDocEvent: it cannot happen in this state; final states take no event at all.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        why = " any more" if state.is_final else ""
        raise WrongBDocEvent(
            f"a BDoc in state {state.value} ({state.name.lower()}) cannot be {event.value!r}{why}"
        ) from None
