"""Which sites are there, which lines join them, and which lines may there be at all?

Legend of names, with sample values::

    site      "laptop-7"                    a place that crashes as one
    kind      "mobile"                      what sort of site it is
    link      crmsim.network.link.Link      one direction of a line
    channels  CRM_CHANNELS                  the rules of a landscape; None for no rules
"""

from collections.abc import Collection, Mapping

import attrs
import networkx as nx

from crmsim.errors import BadValue, ForbiddenLink, NoRoute, UnknownSite
from crmsim.network.link import Link

__all__ = ["CRM_CHANNELS", "Channels", "Topology"]


@attrs.frozen
class Channels:
    """The permitted channels of a landscape, as data."""

    permitted: Mapping[frozenset[str], str]
    """Pairs of kinds that may be joined, each with what the line is for."""
    reasons: Mapping[frozenset[str], str]
    """Why a pair that people ask for is not permitted."""
    at_most: Mapping[str, tuple[int, str]]
    """How many sites of a kind there may be, and why."""
    exactly: Mapping[str, int]
    """How many sites of a kind a finished landscape has."""
    needs: Mapping[str, str]
    """Kind -> the kind of neighbour without which it could not do anything."""


CRM_CHANNELS = Channels(
    permitted={
        frozenset({"mobile", "station"}): "sessions that the laptop starts",
        frozenset({"station", "crm"}): "remote calls of a session",
        frozenset({"crm", "erp"}): "queued remote calls",
        frozenset({"crm", "apo"}): "availability checks",
        frozenset({"crm", "channel"}): "orders by telephone and Internet",
    },
    reasons={
        frozenset({"mobile", "erp"}): (
            "a laptop never reaches the ERP directly; its orders go through CRM Enterprise"
        ),
        frozenset({"mobile"}): (
            "laptops do not talk to each other; what one changes reaches the other through "
            "CRM Enterprise"
        ),
        frozenset({"mobile", "crm"}): "a laptop reaches CRM Enterprise only through a station",
        frozenset({"mobile", "apo"}): "a laptop checks no availability; CRM Enterprise does",
        frozenset({"station", "erp"}): "a station speaks only to laptops and to CRM Enterprise",
    },
    at_most={
        "crm": (1, "CRM Enterprise is the one leading system of the laptops"),
        "erp": (1, "CRM Enterprise supports exactly one ERP system"),
        "apo": (1, "there is one planning system or none"),
    },
    exactly={"crm": 1, "erp": 1},
    needs={"mobile": "station", "station": "crm", "erp": "crm"},
)
"""The channel matrix of a CRM landscape: laptop - station - CRM - ERP, and nothing across.

Source: SAP help, "Data Exchange for Business Transactions" and the communication station pages
(CONTRIBUTING.md, sources S01, S50, S53).
"""


class Topology:
    """Sites and links as a networkx graph; the rules are enforced while it is built."""

    def __init__(self, channels: Channels | None = None) -> None:
        self.channels = channels
        self.graph: nx.DiGraph[str] = nx.DiGraph()
        self._of_kind: dict[str, list[str]] = {}
        """Kind -> names of its sites, in the order they were added."""

    def add_site(self, name: str, kind: str = "site") -> None:
        """Add a site.

        Raises:
            BadValue: the name is taken.
            ForbiddenLink: one more site of this kind than the rules permit.
        """
        if name in self.graph:
            raise BadValue(f"there is already a site {name!r}; site names are unique")
        if self.channels is not None and kind in self.channels.at_most:
            limit, reason = self.channels.at_most[kind]
            have = self.sites(kind)
            if len(have) >= limit:
                raise ForbiddenLink(f"{name!r} would be {kind} number {len(have) + 1}: {reason}")
        self.graph.add_node(name, kind=kind)
        self._of_kind.setdefault(kind, []).append(name)

    def connect(self, source: str, target: str, link: Link, back: Link | None = None) -> None:
        """Join two sites in both directions; `back` is the way back when it differs.

        Raises:
            UnknownSite: one end does not exist.
            ForbiddenLink: the rules do not permit a line between these kinds.
        """
        for name in (source, target):
            self._must_know(name)
        if source == target:
            raise BadValue(f"{source!r} needs no line to itself")
        self._must_be_permitted(source, target)
        self.graph.add_edge(source, target, link=link)
        self.graph.add_edge(target, source, link=link if back is None else back)

    def _must_know(self, name: str) -> None:
        if name not in self.graph:
            raise UnknownSite(f"there is no site {name!r}; the sites are {_some(list(self.graph))}")

    def _must_be_permitted(self, source: str, target: str) -> None:
        if self.channels is None:
            return
        pair = frozenset({self.kind(source), self.kind(target)})
        if pair in self.channels.permitted:
            return
        reason = self.channels.reasons.get(pair, "the permitted channels name no such line")
        raise ForbiddenLink(
            f"no line may join {source!r} ({self.kind(source)}) and {target!r} "
            f"({self.kind(target)}): {reason}"
        )

    def check(self) -> None:
        """Judge the finished landscape.

        Raises:
            ForbiddenLink: a system is missing, or a site has no line that it cannot do without.
        """
        if self.channels is None:
            return
        for kind, count in self.channels.exactly.items():
            if len(self.sites(kind)) != count:
                raise ForbiddenLink(
                    f"a landscape has exactly {count} site of kind {kind!r}; "
                    f"this one has {len(self.sites(kind))}"
                )
        for kind, needed in self.channels.needs.items():
            for name in self.sites(kind):
                if not any(self.kind(other) == needed for other in self.graph.successors(name)):
                    raise ForbiddenLink(
                        f"{name!r} ({kind}) has no line to a {needed}, so it could reach nobody"
                    )

    def kind(self, name: str) -> str:
        """Return the kind of a site."""
        return str(self.graph.nodes[name]["kind"])

    def sites(self, kind: str | None = None) -> list[str]:
        """Return the names of the sites of a kind, in the order they were added."""
        return list(self.graph) if kind is None else list(self._of_kind.get(kind, ()))

    def link(self, source: str, target: str) -> Link:
        """Return the link from `source` to `target`.

        Raises:
            NoRoute: no link joins them directly.
        """
        try:
            link: Link = self.graph.edges[source, target]["link"]
        except KeyError:
            near = _some(list(self.graph.successors(source))) if source in self.graph else "nobody"
            raise NoRoute(
                f"no line goes from {source!r} to {target!r}; {source!r} is joined to {near}"
            ) from None
        return link

    def links(self) -> list[tuple[str, str, Link]]:
        """Return every link with its two ends, in the order they were added."""
        return [(a, b, data["link"]) for a, b, data in self.graph.edges(data=True)]

    def route(self, source: str, target: str) -> list[str]:
        """Return the sites on the shortest way from `source` to `target`, both included.

        Raises:
            NoRoute: there is no way.
        """
        for name in (source, target):
            self._must_know(name)
        way = self.way(source, target)
        if way is None:
            raise NoRoute(f"there is no way from {source!r} to {target!r}")
        return way

    def reaching(self, target: str, without: Collection[str] = ()) -> set[str]:
        """Return the sites from which a way leads to a site and avoids some; not itself."""
        graph = nx.restricted_view(self.graph, without, ()) if without else self.graph
        return set(nx.ancestors(graph, target))

    def way(self, source: str, target: str, without: Collection[str] = ()) -> list[str] | None:
        """Return the sites on the shortest way that avoids some; None when there is none."""
        graph = nx.restricted_view(self.graph, without, ()) if without else self.graph
        if source not in graph or target not in graph:
            return None
        try:
            return list(nx.shortest_path(graph, source, target))
        except nx.NetworkXNoPath:
            return None


def _some(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:6])
    return f"{shown} and {len(names) - 6} more" if len(names) > 6 else shown or "none"
