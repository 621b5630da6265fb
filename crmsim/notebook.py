"""How do results, maps and studies show themselves in a notebook?

Inside a notebook, `import crmsim` tells IPython how to show them: the value of a cell's last line
is a table and a picture. Nothing is loaded for it before something is shown.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmsim.lab.scenario import Result
    from crmsim.network.topology import Topology
    from crmsim.study.paired import Comparison
    from crmsim.study.study import StudyResult

__all__ = ["show_in_notebook"]


def show_in_notebook() -> None:
    """Tell the IPython that this runs in, if it does, how to show things of crmsim."""
    from IPython import get_ipython

    shell: Any = get_ipython()
    if shell is None:
        return
    for (module, name), show in _SHOWN.items():
        shell.display_formatter.formatters["text/html"].for_type_by_name(module, name, show)


def _result(result: "Result") -> str:
    from crmsim.report.page.fragments import result_fragment

    return result_fragment(result)


def _topology(topology: "Topology") -> str:
    from crmsim.report.topology import topology_svg

    return topology_svg(topology)


def _study(study: "StudyResult") -> str:
    from crmsim.report.page.fragments import study_fragment

    return study_fragment(study)


def _comparison(found: "Comparison") -> str:
    from crmsim.report.page.fragments import comparison_fragment

    return comparison_fragment(found)


_SHOWN = {
    ("crmsim.lab.scenario", "Result"): _result,
    ("crmsim.network.topology", "Topology"): _topology,
    ("crmsim.study.study", "StudyResult"): _study,
    ("crmsim.study.paired", "Comparison"): _comparison,
}
"""(module, class) -> how one is shown as HTML."""
