"""What does crmsim bring to pytest?

It is loaded by itself where crmsim is installed:

- ``simulation``: a fresh world that is a trio clock too, so that a test of pytest-trio runs in
  virtual time on it; ``plain_simulation``: one that is not, for tests that are no coroutines;
- ``run_scenario``: runs a scenario with the seed of the test;
- ``seed`` and the marker ``@pytest.mark.seeds("1-20")``: the test runs once with every seed;
  ``--crmsim-seeds 1-500`` overrides the marker for a long night;
- ``golden``: compares a history with a file beside the test; ``--rewrite-golden`` writes it anew
  and says what moved;
- the corpus: cases that a hunt found and cut down (a folder ``corpus`` beside the configuration, or
  where ``crmsim_corpus`` says) are collected and run first;
- a test that fails says with which seed, at which event, and how to repeat it.

Tests need neither pytest-trio nor pytest-xdist, and work with both.
"""

import fnmatch
import functools
import os
import shlex
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crmsim.errors import BadInput, Finding

if TYPE_CHECKING:
    from crmsim.kernel.simulation import Simulation

CORPUS = "corpus"
"""The folder of cases that a hunt found, unless `crmsim_corpus` says otherwise."""
RUNS = pytest.StashKey[list[Any]]()
"""The simulations and results of a test, for what is said when it fails."""


@functools.cache
def _clock_simulation() -> "type[Simulation]":
    """Return the class of simulations that are their own trio clock, as pytest-trio wants it.

    Made when the first test asks for it, so that pytest itself starts as quickly as before.
    """
    import trio

    from crmsim.kernel.simulation import Simulation

    class ClockSimulation(Simulation, trio.abc.Clock):
        def start_clock(self) -> None:
            self.clock.start_clock()

        def current_time(self) -> float:
            return self.clock.current_time()

        def deadline_to_sleep_time(self, deadline: float) -> float:
            return self.clock.deadline_to_sleep_time(deadline)

    return ClockSimulation


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("crmsim")
    group.addoption(
        "--crmsim-seeds", metavar="1-500", help="run every test marked with seeds(...) with these"
    )
    group.addoption(
        "--rewrite-golden", action="store_true", help="write golden files anew; say what moved"
    )

    parser.addini("crmsim_corpus", "folder of cases that a hunt found; run first", default=CORPUS)


def _corpus(config: pytest.Config) -> Path:
    return Path(os.path.normpath(config.rootpath / str(config.getini("crmsim_corpus"))))


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker; look into the corpus too when nobody names what is to be tested."""
    corpus = _corpus(config)
    if not corpus.is_dir() and config.getini("crmsim_corpus") != CORPUS:
        raise pytest.UsageError(f"crmsim_corpus: {corpus} is no folder")
    if config.args_source is config.ArgsSource.TESTPATHS and corpus.is_dir():
        config.args.insert(0, str(corpus))
    config.addinivalue_line(
        "markers",
        'seeds("1-20") or seeds(1, 2, 3): run the test once with every seed (fixtures: seed, '
        "simulation, plain_simulation, run_scenario)",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Collect the cases of the corpus, whatever their names; a name on the command line decides."""
    is_case = file_path.suffix == ".py" and file_path.parent == _corpus(parent.config)
    patterns: list[str] = parent.config.getini("python_files")
    is_test = any(fnmatch.fnmatch(file_path.name, pattern) for pattern in patterns)
    if not is_case or is_test or parent.session.isinitpath(file_path):
        return None  # pytest collects it by itself
    module: pytest.Module = pytest.Module.from_parent(parent, path=file_path)
    return module


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what was found once before anything else."""
    corpus = _corpus(config)
    items.sort(key=lambda item: item.path.parent != corpus)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Multiply a test that is marked with seeds."""
    marker = metafunc.definition.get_closest_marker("seeds")
    if marker is None:
        return
    if "seed" not in metafunc.fixturenames:
        if marker not in metafunc.definition.own_markers:
            return  # it stands on the class or the module, for those tests that use a seed
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid} is marked with seeds(...), but uses none of the "
            "fixtures seed, simulation, plain_simulation and run_scenario"
        )
    option = metafunc.config.getoption("--crmsim-seeds")
    seeds = _seeds(marker.args if option is None else (option,))
    metafunc.parametrize("seed", seeds, ids=[f"seed={seed}" for seed in seeds])


def _seeds(given: tuple[Any, ...]) -> list[int]:
    from crmsim.study.seeds import parse_seeds

    seeds = []
    for part in given:
        try:
            seeds += [part] if isinstance(part, int) else parse_seeds(str(part))
        except BadInput as error:
            raise pytest.UsageError(str(error)) from None
    if not seeds:
        raise pytest.UsageError('seeds() names no seed; write seeds("1-20") or seeds(1, 2, 3)')
    return seeds


@pytest.fixture
def seed() -> int:
    """The seed of the test: 1, or one of those that the marker ``seeds`` names."""
    return 1


def _remember(request: pytest.FixtureRequest, run: Any) -> Any:
    request.node.stash.setdefault(RUNS, []).append(run)
    return run


@pytest.fixture
def simulation(request: pytest.FixtureRequest, seed: int) -> "Simulation":
    """A fresh world that is a trio clock.

    An async test starts it by ``async with simulation.running():``.
    """
    made: Simulation = _remember(request, _clock_simulation()(seed=seed))
    return made


@pytest.fixture
def plain_simulation(request: pytest.FixtureRequest, seed: int) -> "Simulation":
    """A fresh world, for a test that is no coroutine."""
    from crmsim.kernel.simulation import Simulation

    made: Simulation = _remember(request, Simulation(seed=seed))
    return made


@pytest.fixture
def run_scenario(request: pytest.FixtureRequest, seed: int) -> Callable[..., Any]:
    """Run a scenario (an object, a file or an installed name) with the seed of the test."""

    def run(scenario: Any, **settings: Any) -> Any:
        from crmsim.lab.runs import load_scenario

        story = load_scenario(str(scenario)) if isinstance(scenario, str | Path) else scenario
        return _remember(request, story.run(seed=seed, **settings))

    return run


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Compare a run with ``golden/NAME.json`` beside the test."""

    def compare(name: str, run: Any) -> None:
        from crmsim.testing.golden import moved, portrait, read_golden, write_golden

        path = request.path.parent / "golden" / f"{name}.json"
        old, new = read_golden(path), portrait(run.journal)
        told = [f"new: {new['fingerprint']}"] if old is None else moved(old, new)
        if request.config.getoption("--rewrite-golden"):
            if told:
                write_golden(path, new)
                request.node.user_properties.append(("crmsim golden", [name, *told]))
            return
        if told:
            lines = "\n  ".join(told)
            pytest.fail(
                f"{name}: another history than the golden one\n  {lines}\n"
                "  if that is intended: pytest --rewrite-golden",
                pytrace=False,
            )

    return compare


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say of a failed test with which seed, at which event, and how to repeat it."""
    from crmsim.kernel.watch import single

    report = yield
    if report.failed and call.when == "call":
        for run in item.stash.get(RUNS, []):
            error = None if call.excinfo is None else single(call.excinfo.value)
            report.sections.append((f"crmsim: seed {run.seed}", _told(item, run, error)))
    return report


def _told(item: pytest.Item, run: Any, error: BaseException | None) -> str:
    from crmsim.lab.scenario import Result
    from crmsim.trace.journal import show_event
    from crmsim.units import show_moment

    again = f"python -m pytest {shlex.quote(item.nodeid)}"
    if isinstance(run, Result):
        event = run.first_bad_event
        findings = "\n".join(f"finding: {finding}" for finding in run.findings)
        shown = "none" if event is None else show_event(event)
        lines = [findings or "all checks held", f"first bad event: {shown}"]
        return "\n".join([*lines, f"replay: {run.command}", f"test:   {again}"])
    bad = error.event if isinstance(error, Finding) else 0
    bad = bad if bad <= len(run.journal) else 0  # it is about another run of the test
    number = bad or len(run.journal)
    title = "first bad event" if bad else f"last of {number:,} events"
    shown = show_event(run.journal.event(number)) if number else "none"
    return f"virtual time: {show_moment(run.now_ns)}\n{title}: {shown}\nreplay: {again}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which golden files were written anew, and what moved."""
    rows = [
        told
        for report in terminalreporter.getreports("passed")
        for name, told in report.user_properties
        if name == "crmsim golden"
    ]
    if rows:
        terminalreporter.section("golden files written anew")
        for name, *lines in rows:
            terminalreporter.write_line(name)
            for line in lines:
                terminalreporter.write_line(f"  {line}")
