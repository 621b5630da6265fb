"""How is a map written for other tools, and read back?

GraphML is what Gephi, yEd and networkx speak. Each site has its kind. Each line has the figures of
its link that differ from a plain link, as text: ``latency = Lognormal(median=0.3, sigma=0.6)``,
``loss = 0.1``.
"""

import ast
import enum
from pathlib import Path
from typing import Any

import attrs
import networkx as nx

from crmsim.chance import (
    Constant,
    Empirical,
    Exponential,
    Gamma,
    Lognormal,
    Mixture,
    Pareto,
    Triangular,
    Uniform,
    Weibull,
)
from crmsim.errors import BadInput, ModelError
from crmsim.network.link import Bursts, Calendar, Link, LinkKind
from crmsim.network.topology import Channels, Topology

__all__ = ["read_graphml", "write_graphml"]

_CLASSES: dict[str, Any] = {
    made.__name__: made
    for made in (
        *(Constant, Empirical, Exponential, Gamma, Lognormal),
        *(Mixture, Pareto, Triangular, Uniform, Weibull, Bursts, Calendar),
    )
}
"""What may stand in a text, by name."""


def write_graphml(topology: Topology, path: Path) -> None:
    """Write sites and lines.

    Raises:
        BadInput: the file cannot be written.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    for name in topology.sites():
        graph.add_node(name, kind=topology.kind(name))
    for source, target, link in topology.links():
        graph.add_edge(source, target, **_told(link))
    try:
        nx.write_graphml(graph, path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror})") from None


def _told(link: Link) -> dict[str, str]:
    """Return what is special about a link, as texts."""
    plain = Link()
    return {
        field.name: _text(getattr(link, field.name))
        for field in attrs.fields(Link)
        if getattr(link, field.name) != getattr(plain, field.name) or field.name == "latency"
    }


def _text(value: object) -> str:
    return str(value.value) if isinstance(value, enum.Enum) else repr(value)


def read_graphml(path: Path, channels: Channels | None = None) -> Topology:
    """Read a map that `write_graphml` or another tool wrote.

    Args:
        path: The file.
        channels: The permitted channels that it must keep to; None for no rules.

    Raises:
        BadInput: the file is missing, no GraphML, or says something of a link that makes no sense.
        ForbiddenLink: the permitted channels rule something out.
    """
    try:
        graph = nx.read_graphml(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from None
    except Exception as error:  # the XML parser and networkx raise many things
        raise BadInput(f"{path}: is no GraphML ({error})") from None
    topology = Topology(channels)
    for name, data in graph.nodes(data=True):
        topology.add_site(str(name), str(data.get("kind", "site")))
    links = {(str(a), str(b)): _link(path, a, b, data) for a, b, data in graph.edges(data=True)}
    for (source, target), link in links.items():
        back = links.get((target, source))
        if back is None and graph.is_directed():
            raise BadInput(f"{path}: a line goes from {source} to {target}, but none comes back")
        if (target, source) not in topology.graph.edges:
            topology.connect(source, target, link, back)
    return topology


def _link(path: Path, source: str, target: str, data: dict[str, Any]) -> Link:
    known = {field.name for field in attrs.fields(Link)}
    values: dict[str, Any] = {}
    for name, text in data.items():
        if name == "id":
            continue
        if name not in known:
            raise BadInput(f"{path}, line {source} to {target}: a link has no {name!r}")
        try:
            values[name] = LinkKind(text) if name == "kind" else _value(str(text))
        except (ModelError, ValueError, TypeError, SyntaxError) as error:
            raise BadInput(f"{path}, line {source} to {target}: {name} = {text}: {error}") from None
    try:
        return Link(**values)
    except (ModelError, TypeError, AttributeError) as error:
        raise BadInput(f"{path}, line {source} to {target}: {error}") from None


def _value(text: str) -> Any:
    """Read a number, or the name of a class with its arguments; nothing is executed."""
    return _node(ast.parse(text, mode="eval").body)


def _node(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id not in _CLASSES or node.args:
            raise ValueError(f"write {', '.join(_CLASSES)} with named figures")
        made = {str(word.arg): _node(word.value) for word in node.keywords}
        return _CLASSES[node.func.id](**made)
    if isinstance(node, ast.Tuple):
        return tuple(_node(part) for part in node.elts)
    return ast.literal_eval(node)
