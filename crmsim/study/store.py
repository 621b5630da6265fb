"""Where do the runs of a study stay, so that it can be interrupted, resumed and extended?

In one SQLite file. Only the process that hands out the runs writes into it, each run in one
transaction as it comes back: after a power cut a run is there or it is not. How long runs took on
the clock of a wall stands in a table apart, since that is all that two equal studies differ in.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs

from crmsim.errors import BadInput
from crmsim.study.design import Cell

__all__ = ["Origin", "Row", "Store", "is_store", "open_store", "read_store"]

TABLES = """
CREATE TABLE study (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE defaults (setting TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE cells (
    cell INTEGER PRIMARY KEY,
    settings TEXT NOT NULL UNIQUE -- JSON: setting -> text, for each that is not at its default
);
CREATE TABLE runs (
    cell INTEGER NOT NULL REFERENCES cells,
    replication INTEGER NOT NULL, -- from 1
    seed INTEGER NOT NULL,
    held INTEGER NOT NULL,
    events INTEGER NOT NULL,
    virtual_s REAL NOT NULL,
    fingerprint TEXT,
    error TEXT,
    findings TEXT NOT NULL, -- JSON: sentences
    metrics TEXT NOT NULL, -- JSON: metric -> number, text or table
    PRIMARY KEY (cell, replication)
) WITHOUT ROWID;
CREATE TABLE wall_times (
    cell INTEGER NOT NULL,
    replication INTEGER NOT NULL,
    wall_s REAL NOT NULL,
    PRIMARY KEY (cell, replication)
) WITHOUT ROWID;
"""
FORMAT = "1"


@attrs.frozen
class Origin:
    """What all runs of a study have in common; runs with another origin do not belong to it."""

    scenario: str
    question: str
    digest: str
    """SHA-256 of the scenario, as it was."""
    code: str
    """SHA-256 of the programs of crmsim."""
    version: str
    level: str
    warm_up: str
    first_seed: str
    path: str = ""
    """The scenario file, for the command that repeats a run; empty when there is none."""


@attrs.frozen
class Row:
    """One run of a study."""

    cell: int
    """The number of its cell, from 1."""
    replication: int
    seed: int
    held: bool
    events: int
    virtual_s: float
    fingerprint: str | None
    """None when it could not be run."""
    error: str | None
    findings: tuple[str, ...]
    metrics: Mapping[str, Any]


def is_store(path: Path) -> bool:
    """Say whether a file is an SQLite database."""
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


@contextmanager
def open_store(path: Path | None) -> Iterator["Store"]:
    """Open a study for writing, or begin one; nobody else can write into it meanwhile.

    Args:
        path: The file; None for a study that is kept in memory.

    Raises:
        BadInput: the file is something else, or somebody is writing into it.
    """
    if path is None:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            store = Store(connection, ":memory:")
            store.begin()
            yield store
        return
    if path.exists() and path.stat().st_size and not is_store(path):
        raise BadInput(f"{path}: is no study; name another file with --store")
    with _lock(path), _left_as_found(path), _opened(path) as store:
        store.begin()
        yield store


@contextmanager
def _left_as_found(path: Path) -> Iterator[None]:
    """Take the file of a new study away again, if something goes wrong before the first run."""
    is_new = not path.exists()
    try:
        yield
    except BaseException:
        if is_new and is_store(path):
            with _opened(path) as store:
                is_new = store.origin() is None or not store.done()
        if is_new:
            path.unlink(missing_ok=True)
        raise


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    file = Path(f"{path.resolve()}.lock")
    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise BadInput(f"{path}: another study is writing into it; wait, or name another") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror})") from None
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()
        lock.release()


@contextmanager
def _opened(path: Path, how: str = "") -> Iterator["Store"]:
    connection = None
    try:
        place = f"{path.absolute().as_uri()}{how}"
        connection = sqlite3.connect(place, uri=True, isolation_level=None)
        yield Store(connection, str(path))
    except sqlite3.Error as error:
        raise BadInput(f"{path}: is no study, is damaged, or cannot be written ({error})") from None
    finally:
        if connection is not None:
            connection.close()


@contextmanager
def read_store(path: Path) -> Iterator["Store"]:
    """Open a study that is there; nothing is changed.

    Raises:
        BadInput: the file is missing, or is no study.
    """
    if not is_store(path):
        raise BadInput(f"{path}: no study; crmsim study SCENARIO --store {path} makes one")
    is_fixed = not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()
    with _opened(path, "?immutable=1" if is_fixed else "") as store:
        if store.origin() is None:
            raise BadInput(f"{path}: an SQLite file, but no study")
        yield store


class Store:
    """A study in SQLite.

    Args:
        connection: Where it lies.
        name: What it is called in messages.
    """

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self.name = name

    def begin(self) -> None:
        """Make the tables, if they are not there.

        Raises:
            BadInput: the file belongs to another program.
        """
        if not self._is_study() and self._count("SELECT count(*) FROM sqlite_master"):
            raise BadInput(
                f"{self.name}: an SQLite file, but no study; name another file with --store"
            )
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        if not self._is_study():
            self._connection.executescript(f"BEGIN; {TABLES} COMMIT;")

    def _count(self, query: str) -> int:
        return int(self._connection.execute(query).fetchone()[0])

    def _is_study(self) -> bool:
        tables = "('study', 'defaults', 'cells', 'runs', 'wall_times')"
        return self._count(f"SELECT count(*) FROM sqlite_master WHERE name IN {tables}") == 5

    def origin(self) -> Origin | None:
        """Return what all runs have in common; None before the first one, or in another file.

        Raises:
            BadInput: another version of crmsim has written it in another form.
        """
        if not self._is_study():
            return None
        told = dict(self._connection.execute("SELECT name, value FROM study"))
        if not told:
            return None
        names = [field.name for field in attrs.fields(Origin)]
        if told.pop("format", "") != FORMAT or sorted(told) != sorted(names):
            raise BadInput(f"{self.name}: written in a form that this version does not know")
        return Origin(**told)

    def must_suit(self, origin: Origin) -> None:
        """Refuse runs that do not belong to those that are there.

        Raises:
            BadInput: it holds runs with another origin.
        """
        held = self.origin()
        for field, what in _TOLD.items() if held else ():
            before, now = getattr(held, field), getattr(origin, field)
            if before != now:
                raise BadInput(
                    f"{self.name}: {what.format(before=before, now=now)}, so its runs and new "
                    "ones do not belong together; name another file with --store"
                )

    def claim(self, origin: Origin, defaults: Mapping[str, str]) -> None:
        """Say where the runs of this study come from, and what settings are at their default.

        Raises:
            BadInput: it holds runs with another origin.
        """
        self.must_suit(origin)
        if self.origin() is None:
            rows = [*attrs.asdict(origin).items(), ("format", FORMAT)]
            with self._transaction():
                self._connection.executemany("INSERT INTO study VALUES (?, ?)", rows)
                self._connection.executemany("INSERT INTO defaults VALUES (?, ?)", defaults.items())

    def defaults(self) -> dict[str, str]:
        """Return setting -> text of its default."""
        return dict(self._connection.execute("SELECT setting, value FROM defaults"))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def add_cells(self, cells: Sequence[Cell]) -> list[int]:
        """Return the numbers of cells; those that are not there yet get the next ones."""
        known = self.identities()
        numbers = []
        with self._transaction():
            for cell in cells:
                number = known.setdefault(cell.identity, len(known) + 1)
                numbers.append(number)
                self._connection.execute(
                    "INSERT OR IGNORE INTO cells VALUES (?, ?)", (number, cell.identity)
                )
        return numbers

    def _cells(self) -> Iterator[tuple[int, str]]:
        return iter(self._connection.execute("SELECT cell, settings FROM cells ORDER BY cell"))

    def identities(self) -> dict[str, int]:
        """Return identity -> number of every cell."""
        return {text: number for number, text in self._cells()}

    def cells(self) -> dict[int, dict[str, str]]:
        """Return number -> settings of every cell."""
        return {number: json.loads(text) for number, text in self._cells()}

    def done(self) -> set[tuple[int, int]]:
        """Return (cell, replication) of every run that is there."""
        return set(self._connection.execute("SELECT cell, replication FROM runs"))

    def add(self, row: Row, wall_s: float) -> None:
        """Keep a run.

        Raises:
            sqlite3.IntegrityError: it is there already.
        """
        texts = json.dumps(row.findings), json.dumps(dict(row.metrics))
        told = attrs.astuple(row, recurse=False)[:-2]
        with self._transaction():
            marks = ", ".join("?" * (len(told) + len(texts)))
            self._connection.execute(f"INSERT INTO runs VALUES ({marks})", (*told, *texts))
            self._connection.execute(
                "INSERT INTO wall_times VALUES (?, ?, ?)", (row.cell, row.replication, wall_s)
            )

    def rows(self) -> list[Row]:
        """Return all runs, cell by cell."""
        found = self._connection.execute("SELECT * FROM runs ORDER BY cell, replication")
        return [_row(told) for told in found]

    def wall_times_s(self) -> list[float]:
        """Return how long runs took."""
        return [wall_s for (wall_s,) in self._connection.execute("SELECT wall_s FROM wall_times")]


def _row(told: tuple[Any, ...]) -> Row:
    """Return a run as its row in the table tells it."""
    cell, replication, seed, held, *more, findings, metrics = told
    texts = tuple(json.loads(findings)), json.loads(metrics)
    return Row(cell, replication, seed, bool(held), more[0], more[1], more[2], more[3], *texts)


_TOLD = {
    "scenario": "it is about the scenario {before}, not {now}",
    "digest": "the scenario has changed since",
    "version": "it was made by crmsim {before}, not {now}",
    "code": "the programs of crmsim have changed since",
    "level": "its runs have the trace level {before}, not {now}",
    "warm_up": "its warm-up is {before}, not {now}",
    "first_seed": "its first seed is {before}, not {now}",
}
"""What is told when the origin differs."""
