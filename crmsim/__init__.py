"""crmsim: simulate how a CRM landscape exchanges its data, and judge whether it does so correctly.

Laptops that work offline, a station they call, CRM Enterprise and the one ERP system are actors
that send typed messages over unreliable lines in virtual time. One seed gives one history.

The rooms of the house, from the ground up; imports point only downwards::

    errors, units, chance    what can go wrong; quantities with units; keyed luck
    trace                    what happened?
    network                  what becomes of a message on its way?
    kernel                   whose turn is it?
    business                 what do people work on?
    applications             what may a system do with a document?
    formats                  what is spoken at each border?
    middleware               how does the server pass a change on?
    sync                     how does a laptop catch up?
    rfc                      what is asked that must be answered at once?
    qrfc                     how is work passed on, once and in order?
    replication              who gets what?
    mobile                   what does a laptop do, and whom does it call?
    erp                      what happens behind CRM?
    online                   what does CRM Online do with a document?
    loads                    how does CRM load and compare, many things at once?
    systems                  who acts?
    checks                   was it right?
    measure                  was it as expected, and how long did it take?
    quiet                    when is all at rest?
    lab                      what is the story?
    workload                 who writes what, and when?
    study                    what do many runs say?
    hunt                     where does it break?
    truths                   is the simulator right?
    testing                  what does a test need?
    report                   how does one see it?
    cli                      the door
    notebook                 how do results show themselves in a notebook?

The names below are the front door; they are loaded when they are first used.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmsim.checks.catalogue import ALL_CHECKS
    from crmsim.checks.check import Check, Judge, Mood, judge
    from crmsim.kernel.actor import Actor, handles
    from crmsim.kernel.durable import CrashAt, CrashPoint
    from crmsim.kernel.message import Address, message
    from crmsim.kernel.simulation import Simulation
    from crmsim.lab.landscape import Landscape
    from crmsim.lab.runs import load_scenario
    from crmsim.lab.scenario import Result, Scenario, scenario
    from crmsim.lab.settings import setting
    from crmsim.network.link import Link, LinkKind
    from crmsim.network.topology import Topology
    from crmsim.trace.journal import Event, Journal
    from crmsim.trace.kinds import Level

__version__ = "0.1.0"

_HOMES = {
    "ALL_CHECKS": "crmsim.checks.catalogue",
    "Actor": "crmsim.kernel.actor",
    "Address": "crmsim.kernel.message",
    "Check": "crmsim.checks.check",
    "CrashAt": "crmsim.kernel.durable",
    "CrashPoint": "crmsim.kernel.durable",
    "Event": "crmsim.trace.journal",
    "Journal": "crmsim.trace.journal",
    "Judge": "crmsim.checks.check",
    "Landscape": "crmsim.lab.landscape",
    "Level": "crmsim.trace.kinds",
    "Link": "crmsim.network.link",
    "LinkKind": "crmsim.network.link",
    "Mood": "crmsim.checks.check",
    "Result": "crmsim.lab.scenario",
    "Scenario": "crmsim.lab.scenario",
    "Simulation": "crmsim.kernel.simulation",
    "Topology": "crmsim.network.topology",
    "handles": "crmsim.kernel.actor",
    "judge": "crmsim.checks.check",
    "load_scenario": "crmsim.lab.runs",
    "message": "crmsim.kernel.message",
    "scenario": "crmsim.lab.scenario",
    "setting": "crmsim.lab.settings",
}

__all__ = [
    "ALL_CHECKS",
    "Actor",
    "Address",
    "Check",
    "CrashAt",
    "CrashPoint",
    "Event",
    "Journal",
    "Judge",
    "Landscape",
    "Level",
    "Link",
    "LinkKind",
    "Mood",
    "Result",
    "Scenario",
    "Simulation",
    "Topology",
    "handles",
    "judge",
    "load_scenario",
    "message",
    "scenario",
    "setting",
]


def __getattr__(name: str) -> Any:
    """Load a name of the front door when it is first used."""
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'crmsim' has no attribute {name!r}") from None
    thing = getattr(importlib.import_module(home), name)
    globals()[name] = thing  # a function named like its module must win over the module
    return thing


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


if "IPython" in sys.modules:
    from crmsim.notebook import show_in_notebook

    show_in_notebook()
