"""Who can reach whom, through what?

Judges the map of the landscape, as it was built: faults and crashes are no part of it.
"""

from collections.abc import Iterator

from crmsim.errors import UnknownSite
from crmsim.network.topology import Topology

__all__ = ["Ways"]

Judged = tuple[int, list[str]]
"""How many pairs of sites were looked at, and what is wrong, in words."""


class Ways:
    """The ways through one landscape."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology

    def path(self, source: str, target: str, through: tuple[str, ...]) -> Judged:
        """Judge that there is a way, and that every way goes through all of `through`."""
        wrong: list[str] = []
        count = 0
        must = {name: self._sites(name) for name in through}
        for other in self._sites(target):
            can = self._topology.reaching(other)
            can_without = {
                name: self._topology.reaching(other, [site for site in gone if site != other])
                for name, gone in must.items()
            }
            for one in self._sites(source):
                if one == other:
                    continue
                count += 1
                if one not in can:
                    wrong.append(f"there is no way from {one} to {other}")
                for name, gone in must.items():
                    if one not in gone and other not in gone and one in can_without[name]:
                        way = self._topology.way(one, other, without=gone) or []
                        wrong.append(f"this way avoids {name}: {' - '.join(way)}")
        return count, wrong

    def no_path(self, source: str, target: str, without: tuple[str, ...]) -> Judged:
        """Judge that there is no way once some sites are gone."""
        gone = [site for name in without for site in self._sites(name)]
        wrong: list[str] = []
        count = 0
        for one, other in self._pairs(source, target):
            count += 1
            way = self._topology.way(one, other, without=gone)
            if way is not None:
                wrong.append(f"there is a way: {' - '.join(way)}")
        return count, wrong

    def distance(self, source: str, target: str, lines: int) -> Judged:
        """Judge how many lines the shortest way crosses."""
        wrong: list[str] = []
        count = 0
        for one, other in self._pairs(source, target):
            count += 1
            way = self._topology.way(one, other)
            if way is None:
                wrong.append(f"there is no way from {one} to {other}")
            elif len(way) - 1 != lines:
                wrong.append(f"the shortest way crosses {len(way) - 1}: {' - '.join(way)}")
        return count, wrong

    def cut_off(self, failed: str, sites: tuple[str, ...], target: str) -> Judged:
        """Judge who cannot reach the target any more when a site fails."""
        gone = self._sites(failed)
        expected = list(dict.fromkeys(site for name in sites for site in self._sites(name)))
        wrong: list[str] = []
        count = 0
        targets = self._sites(target)
        could = {site for one in targets for site in self._topology.reaching(one)}
        can = {
            site
            for one in targets
            if one not in gone
            for site in self._topology.reaching(one, gone)
        }
        for site in self._topology.sites():
            if site not in could or site in gone or site in targets:
                if site in expected:
                    wrong.append(f"{site} cannot lose a way to {target}: it has none, or fails")
                continue
            count += 1
            if site in can and site in expected:
                wrong.append(f"{site} still reaches {target} without {failed}")
            if site not in can and site not in expected:
                wrong.append(f"{site} cannot reach {target} without {failed} either")
        return count, wrong

    def _pairs(self, source: str, target: str) -> Iterator[tuple[str, str]]:
        return (
            (one, other)
            for one in self._sites(source)
            for other in self._sites(target)
            if one != other
        )

    def _sites(self, name: str) -> list[str]:
        """Return the site of this name, or all sites of this kind.

        Raises:
            UnknownSite: there is neither.
        """
        if name in self._topology.sites():
            return [name]
        found = self._topology.sites(name)
        if not found:
            known = ", ".join(self._topology.sites()[:8])
            raise UnknownSite(f"there is no site or kind of site {name!r}; the sites are {known}")
        return found
