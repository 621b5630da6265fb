"""Which kinds of events are there, and what does each one say?

One vocabulary for the whole product: past participles, a sentence each. The sentence says who the
`actor` is, what the `subject` is and which details the event carries.
"""

import enum

import attrs

__all__ = ["KINDS", "Kind", "Level"]


class Level(enum.IntEnum):
    """How much of what happens is written down. Each level holds all of the one before."""

    OFF = 0
    METRICS = 1
    """Only what the cheap metrics of a result are counted from; the others are None."""
    BUSINESS = 2
    """Enough for every check; the default."""
    MESSAGES = 3
    """Every delivery of every message too."""
    FULL = 4
    """Timers too."""


@attrs.frozen
class Kind:
    """One kind of event."""

    name: str
    level: Level
    """The first level that keeps it."""
    sentence: str
    """What the event says, with actor, subject and details."""


KINDS: dict[str, Kind] = {}


def _kind(name: str, level: Level, sentence: str) -> Kind:
    kind = Kind(name, level, sentence)
    KINDS[name] = kind
    return kind


# What becomes of messages.
SENT = _kind(
    "sent", Level.BUSINESS, "An actor gave a message to a line: to, message type, attempt."
)
HANDED = _kind(
    "handed", Level.FULL, "An actor handed a message to another one of its site: to, message type."
)
DELIVERED = _kind("delivered", Level.MESSAGES, "An actor got a message: its type and sender.")
LOST = _kind("lost", Level.METRICS, "A message will never arrive: its type, the way, the reason.")
DUPLICATED = _kind("duplicated", Level.METRICS, "A line made a second copy of a message.")
HELD = _kind("held", Level.BUSINESS, "A fault keeps a message back until it is lifted.")
RETRIED = _kind("retried", Level.METRICS, "A sender without an answer sent the same thing again.")
FIRED = _kind("fired", Level.FULL, "A timer of an actor ran out.")

# For actors of one's own.
NOTED = _kind("noted", Level.METRICS, "An actor of the user's own wrote something down.")

# What befalls sites and lines.
CRASHED = _kind("crashed", Level.METRICS, "A site lost all that was not durable: kind, point.")
WIPED = _kind(
    "wiped", Level.METRICS, "A site lost its disk; an empty one takes its place: its number."
)
RESTARTED = _kind("restarted", Level.METRICS, "A site started anew on its durable state.")
PAUSED = _kind("paused", Level.METRICS, "A site stopped working but kept its memory.")
RESUMED = _kind("resumed", Level.METRICS, "A paused site went on.")
DROPPED = _kind("dropped", Level.METRICS, "A crashed actor tried to act; nothing came of it.")
STRUCK = _kind("struck", Level.METRICS, "A fault of the network began: its name.")
LIFTED = _kind("lifted", Level.METRICS, "A fault of the network ended: what it touched.")

# What people and systems do with documents.
SAVED = _kind(
    "saved",
    Level.METRICS,
    "A laptop saved a document: version, message, task; what it is, unless an order. (LOCAL_SAVE)",
)
KEPT = _kind(
    "kept",
    Level.METRICS,
    "A laptop saved what it never sends: whether the whole document is private, else the fields "
    "that exist only there.",
)
FORBIDDEN = _kind(
    "forbidden", Level.METRICS, "A system did not let somebody save something: reason."
)
RECEIVED = _kind(
    "received",
    Level.BUSINESS,
    "A receiver stored a message durably: queue. Now it may be receipted.",
)
CLEARED = _kind(
    "cleared", Level.BUSINESS, "A sender took a message out of its queue or outbox: queue."
)
ENQUEUED = _kind("enqueued", Level.BUSINESS, "A LUW was put at the end of a queue. (ENQ)")
BEGUN = _kind("begun", Level.BUSINESS, "The head LUW of a queue began to be executed. (LUW_START)")
ENDED = _kind("ended", Level.BUSINESS, "A LUW of a queue is done and confirmed. (LUW_END)")
FAILED = _kind(
    "failed", Level.BUSINESS, "An attempt at a LUW ended without success: reason. (LUW_FAIL)"
)
ADMINISTERED = _kind(
    "administered",
    Level.METRICS,
    "A person did something about a queue, or about a BDoc (then the queue is empty): action; for "
    "what was taken out of a queue, its row. (ADMIN)",
)
EFFECTED = _kind(
    "effected", Level.METRICS, "A LUW changed its target durably: queue, target. (LUW_EFFECT)"
)
COMMITTED = _kind(
    "committed",
    Level.METRICS,
    "CRM Online stored a document: version, number; who wrote it, if no laptop; what is wrong with "
    "it; whether it waits for a release, or for a check whether there is enough; what it is, "
    "unless an order. (ONLINE_COMMIT)",
)
CHECKED = _kind(
    "checked",
    Level.METRICS,
    "CRM knows whether there is enough for an order, or has given up asking: version, outcome, "
    "(line, pieces, day) of what is confirmed.",
)
PROMISED = _kind(
    "promised",
    Level.BUSINESS,
    "The planning system has answered a check for the first time: order, the how-manieth check of "
    "it, (product, pieces wanted, promised to the order by now, available to it before, pieces "
    "that ever were there or are on their way).",
)
BOOKED = _kind(
    "booked",
    Level.METRICS,
    "The ERP stored a document: version, net value, (line, pieces, price, product) of its items; "
    "the contract that it draws on, if on one; who wrote it, if it did not come from CRM; what it "
    "is, unless an order. (ERP_COMMIT)",
)
CALLED = _kind(
    "called",
    Level.METRICS,
    "The ERP has a new state of a contract: its number, status, last day, (product, pieces) of its "
    "target, (order, product, pieces) of all that is called off it.",
)
POSTED = _kind(
    "posted",
    Level.METRICS,
    "The ERP posted a document for an order: which sort, its number, the one before it, (line, "
    "pieces, value) of its items. (POST)",
)
STORED = _kind(
    "stored",
    Level.METRICS,
    "The ERP stored a service order, a confirmation, a complaint or a bill: version, what it is, "
    "under which name, the order that it is about, what it reverses, (line, category, product, "
    "pieces, line that it is about) of its items, which of them its sales document has. "
    "(ERP_COMMIT)",
)
RECORDED = _kind(
    "recorded",
    Level.METRICS,
    "The ERP posted a document for one of these: under which name, which sort, its number, line, "
    "product, pieces (negative when it reverses another), value, the stock that it changed. (POST)",
)
LOCKED = _kind(
    "locked",
    Level.METRICS,
    "A system locked an order, so that nobody in the other one changes it: its holder (crm, erp), "
    "number, the number of the lock. CRM notes it when the lock of the ERP has come. (LOCK)",
)
UNLOCKED = _kind(
    "unlocked",
    Level.METRICS,
    "A lock of an order is over: its holder, number, the number of the lock, why. (UNLOCK)",
)
OVERWRITTEN = _kind(
    "overwritten",
    Level.METRICS,
    "What somebody had changed of an order was lost, because the other system changed the same: "
    "whose change (crm, erp), fields.",
)
SHIPPED = _kind("shipped", Level.METRICS, "The last goods of an order have left: planned day, day.")
PROGRESSED = _kind(
    "progressed",
    Level.BUSINESS,
    "CRM Online shows how far an order has got: (line, pieces delivered, pieces that have left, "
    "pieces billed).",
)
DISTRIBUTED = _kind(
    "distributed",
    Level.BUSINESS,
    "The distribution status of a document changed: status, version; the ERP's reason, if it "
    "refused it; whether a report has set it. (DIST)",
)
FLOWED = _kind(
    "flowed",
    Level.BUSINESS,
    "A BDoc came to another state: context, state, version, open and failed receivers. (BDOC)",
)
REPLICATED = _kind(
    "replicated",
    Level.METRICS,
    "The CDB stored a document: version, the how-manieth save in CRM Online, BDoc. (CDB_COMMIT)",
)
PUBLISHED = _kind(
    "published",
    Level.METRICS,
    "CRM Online stored records that every laptop gets: publication, how many. (ONLINE_COMMIT)",
)
SPREAD = _kind(
    "spread",
    Level.METRICS,
    "The CDB stored records of a publication; they lie ready for every laptop: first and last "
    "position. (CDB_COMMIT)",
)
CHANGED = _kind(
    "changed",
    Level.BUSINESS,
    "A record was created or changed in CRM Online: version, parent, whether it was carried there "
    "from another parent, fields; the number of the change in the ERP that brought it about, or 0; "
    "the message of the laptop that did, and what the record has by now of what that was about.",
)
DELETED = _kind(
    "deleted",
    Level.BUSINESS,
    "A record was deleted in CRM Online: the version that this counts as, the customer that it "
    "belonged to, and the message of the laptop that asked for it.",
)
MAINTAINED = _kind(
    "maintained",
    Level.BUSINESS,
    "The ERP stored a record of its master data: the version of CRM that it knows of, and whether "
    "CRM brought it about or somebody at the ERP.",
)
LOADED = _kind(
    "loaded",
    Level.METRICS,
    "A load came to another status: status, what is loaded, which kind of load, its way, what has "
    "to be loaded before it; at its end, how many blocks were taken over and how many are missing.",
)
EXTRACTED = _kind(
    "extracted",
    Level.METRICS,
    "The ERP put a block of a load into a queue: its number, the keys of what is in it.",
)
UNPACKED = _kind(
    "unpacked",
    Level.METRICS,
    "CRM took over a block of a load: what is loaded, its number, how many things were in it, what "
    "has to be loaded before it.",
)
COMPARED = _kind(
    "compared",
    Level.METRICS,
    "A comparison is done: object, against what, whether in detail, when it began, how many things "
    "were compared with how many questions, how many seemed to differ at first; keys of what is "
    "only in CRM, only in the other system, "
    "different, or still under way.",
)
REPAIRED = _kind(
    "repaired",
    Level.METRICS,
    "What a comparison had found began to be put right: object, against what, who leads, keys; "
    "keys of what has to stay as it is.",
)
CUSTOMIZED = _kind(
    "customized",
    Level.METRICS,
    "The exchange of an object was set up otherwise: what (filter, delta, bridge), its new value.",
)
SUBSCRIBED = _kind(
    "subscribed",
    Level.BUSINESS,
    "A subscription was created, changed or deleted: action, what it is about, its sites.",
)
REALIGNED = _kind(
    "realigned",
    Level.METRICS,
    "The sites of an object were computed anew: object, entering and leaving sites, and when what "
    "led to it came to the CDB. (REALIGN)",
)
WORKED = _kind(
    "worked",
    Level.METRICS,
    "The demon has worked off jobs of a queue of replication and realignment: how many, and how "
    "many messages it put into queues of laptops.",
)
MISSED = _kind(
    "missed",
    Level.METRICS,
    "A rep wanted to change a document that is not on the laptop any more: version.",
)
REPLACED = _kind(
    "replaced",
    Level.METRICS,
    "A laptop called with a new disk: its number, how many messages that lay ready for the old "
    "one were thrown away; the things that belong there, and the publications with their last "
    "positions.",
)
PARKED = _kind("parked", Level.METRICS, "A message waits aside until its document is free again.")
OUTDATED = _kind(
    "outdated",
    Level.BUSINESS,
    "A change of a laptop was made under older publications than CRM has by now: which.",
)
REPRICED = _kind(
    "repriced", Level.METRICS, "CRM put its current prices into an order: lines of its items."
)
CONFIRMED = _kind("confirmed", Level.BUSINESS, "CRM answered yes to a message of a laptop.")
REJECTED = _kind(
    "rejected",
    Level.METRICS,
    "CRM answered no to a message of a laptop: reason; exists, if it was to create something of "
    "which CRM has another one of the same name.",
)
OVERRULED = _kind(
    "overruled",
    Level.METRICS,
    "CRM took a change of a laptop over but for some fields, which somebody else had changed: "
    "fields.",
)
IMPORTED = _kind(
    "imported", Level.METRICS, "A laptop applied a message to its database: position. (IMPORT)"
)
READ = _kind(
    "read",
    Level.METRICS,
    "Somebody looked up for a customer how an order stands: on which channel, whether it was there "
    "at all, which save of CRM Online, and how many unanswered changes of one's own on top.",
)
RESTORED = _kind(
    "restored",
    Level.METRICS,
    "A rep wrote anew, completed, what had been refused when it was new: the message that was.",
)
UNREAD = _kind(
    "unread",
    Level.METRICS,
    "A laptop could not import a message, because its programs are too old: what importing says, "
    "and the release that it takes. It goes back to the server.",
)
RETURNED = _kind(
    "returned", Level.METRICS, "CRM has got a message back that a laptop could not import."
)

# How a laptop's session goes.
ENTERED = _kind("entered", Level.METRICS, "A session entered a phase. (SESSION)")
CONNECTED = _kind(
    "connected",
    Level.METRICS,
    "A station gave a session one of its connections: laptop, how many are then in use.",
)
RELEASED = _kind(
    "released", Level.METRICS, "A station took a connection back from a session: laptop, reason."
)
REFUSED = _kind(
    "refused",
    Level.METRICS,
    "A station or CRM turned a call of a session away: laptop, reason (busy, or whose user or site "
    "may not call).",
)
REDIALLED = _kind(
    "redialled",
    Level.METRICS,
    "A laptop hung up and called anew in the same session: the station, the one called before, why "
    "that came to nothing.",
)
BROKEN = _kind("broken", Level.METRICS, "A session broke off: phase, reason.")
FINISHED = _kind("finished", Level.METRICS, "A session went through all its phases.")
