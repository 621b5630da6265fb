"""What do a laptop, its station and CRM say to each other in a session?

Every message carries its attempt, so that a repeated message has luck of its own, and is about the
thing itself, so that nobody else's sending moves that luck.
"""

from crmsim.applications.numbering import NumberRange
from crmsim.formats.answer import Confirmation, Rejection
from crmsim.formats.bdoc import BulkPackage, Removal, Replica, SyncBDoc, Update
from crmsim.kernel.message import message
from crmsim.replication.returned import Unread

__all__ = ["Admitted", "Busy", "Dial", "Fetch", "Package", "Refused", "Upload", "UploadReceipt"]


@message(about=("site", "session"))
class Dial:
    """A laptop asks to be let in. Laptop to station to CRM."""

    site: str
    session: int
    attempt: int
    disk: int = 0
    """Which disk the laptop has now; with a new one it needs everything."""
    release: int = 1
    """The release of the laptop's programs."""
    numbers_left: int = 0
    """How many numbers the laptop has left of its own."""


@message(about=("site", "session", "attempt"))
class Admitted:
    """The session is open. CRM to station to laptop."""

    site: str
    session: int
    attempt: int
    received: int
    """The highest number of a save of this disk that CRM holds durably; 0 for none."""
    numbers: NumberRange | None = None
    """Further numbers for orders that the laptop may use."""


@message(about=("site", "session", "step", "attempt"))
class Busy:
    """All connections of the station are in use. Station to laptop."""

    site: str
    session: int
    step: int
    attempt: int


@message(about=("site", "session", "attempt"))
class Refused:
    """This laptop may not call at all. Station to laptop, or CRM to station to laptop."""

    site: str
    session: int
    attempt: int
    reason: str
    """What is unknown or locked: the user at the station, the site in CRM."""


@message(about=("site", "session", "step"))
class Upload:
    """Changes of a laptop, in the order they were saved. Laptop to station to CRM."""

    site: str
    session: int
    step: int
    attempt: int
    changes: tuple[SyncBDoc, ...]
    disk: int = 0
    unread: tuple[Unread, ...] = ()
    """Messages that the laptop could not import, and gives back."""


@message(about=("site", "session", "step", "attempt"))
class UploadReceipt:
    """CRM holds these changes durably. CRM to station to laptop."""

    site: str
    session: int
    step: int
    attempt: int
    numbers: tuple[int, ...]
    places: tuple[int, ...] = ()
    """Of the messages that were given back."""


@message(about=("site", "session", "step"))
class Fetch:
    """A laptop asks for what lies in its queue, and says what it holds durably already."""

    site: str
    session: int
    step: int
    attempt: int
    held: int
    """The position up to which the laptop holds everything durably."""
    held_bulk: tuple[tuple[str, int], ...] = ()
    """The same for each publication of which it holds anything."""
    disk: int = 0


@message(about=("site", "session", "step", "attempt"))
class Package:
    """What lies in a laptop's queue next; empty when nothing does. CRM to station to laptop."""

    site: str
    session: int
    step: int
    attempt: int
    contents: tuple[tuple[int, Confirmation | Rejection | Update | Replica | Removal], ...]
    bulk: BulkPackage | None = None
    """What is next of a publication, when nothing lies ready for this laptop alone."""
    releases: tuple[tuple[str, int], ...] = ()
    """(kind of thing, release that it takes to read messages about it), where not any will do."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing lies ready any more."""
        return not self.contents and self.bulk is None
