"""What do `crmsim list`, `describe`, `checks` and `topology` show?"""

import inspect
import textwrap
from pathlib import Path

import click

from crmsim.cli.output import (
    HELD,
    json_option,
    must_be_writable,
    read_pairs,
    set_option,
    settings_option,
    write,
)
from crmsim.errors import BadInput

__all__ = ["checks", "describe", "list_scenarios", "topology"]


@click.command("list")
@click.argument("folder", default="scenarios")
def list_scenarios(folder: str) -> int:
    """List the scenarios of a folder, and those installed, with their questions.

    The files of the folder are read, not executed.
    """
    import importlib.metadata

    from crmsim.lab.runs import ENTRY_POINTS, load_scenario, question_of

    path = Path(folder)
    if not path.is_dir():
        raise BadInput(f"{folder}: no such folder")
    found = {str(file): question_of(file) for file in sorted(path.glob("*.py"))}
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        found[entry.name] = load_scenario(entry.name).question
    shown = {name: question for name, question in found.items() if question is not None}
    if not shown:
        raise BadInput(f"{folder}: holds no scenario file")
    for name, question in shown.items():
        click.echo(f"{name}\n    {question}")
    return HELD


@click.command()
@click.argument("scenario_name", metavar="SCENARIO")
def describe(scenario_name: str) -> int:
    """Show what a scenario asks, what can be set, and what is judged."""
    from crmsim.lab.runs import load_scenario
    from crmsim.lab.settings import describe as describe_settings

    scenario = load_scenario(scenario_name)
    click.echo(scenario.doc)
    click.echo(
        "\nSettings (change one with --set NAME=VALUE; try several with "
        "crmsim study ... --vary NAME=VALUE,VALUE):\n"
    )
    for name, default, wanted, meaning in describe_settings(scenario.settings):
        click.echo(f"  {name + '=' + default:<28} {meaning}")
        click.echo(f"  {'':<28} write {wanted}")
    if scenario.metrics is not None:
        click.echo("\nMetrics:\n")
        told = inspect.cleandoc(scenario.metrics.__doc__ or scenario.metrics.__name__)
        click.echo(textwrap.indent(told.partition("\n\nArgs:")[0], "  "))
    click.echo("\nChecks:\n")
    for check in scenario.checks:
        click.echo(f"  {check.name} ({check.mood.value}; {', '.join(check.invariants)})")
    return HELD


@click.command()
@json_option
def checks(json_file: str | None) -> int:
    """List every check: its sentence, its mood, and what exactly it judges."""
    from crmsim.checks.catalogue import ALL_CHECKS

    must_be_writable(json_file, "--json")
    told = [
        {"name": c.name, "mood": c.mood.value, "invariants": list(c.invariants)} for c in ALL_CHECKS
    ]
    if json_file != "-":
        for check in ALL_CHECKS:
            click.echo(f"{check.name}  ({check.mood.value})")
            click.echo(textwrap.indent(textwrap.fill(check.explanation, 92), "    "))
    write(json_file, told)
    return HELD


@click.command()
@click.argument("scenario_name", metavar="SCENARIO")
@click.option("--svg", metavar="FILE", help="Draw the map as an SVG picture.")
@click.option("--graphml", metavar="FILE", help="Write the map as GraphML, for other tools.")
@click.option("--seed", type=click.IntRange(min=0), default=1, help="The seed (default: 1).")
@set_option
@settings_option
def topology(
    scenario_name: str,
    svg: str | None,
    graphml: str | None,
    seed: int,
    pairs: tuple[str, ...],
    settings_file: str | None,
) -> int:
    """Draw or write the map of a scenario: its sites and lines. Nothing is run."""
    if svg is None and graphml is None:
        raise BadInput("topology: name --svg FILE or --graphml FILE, or both")
    must_be_writable(svg, "--svg", device=False)
    must_be_writable(graphml, "--graphml", device=False)
    from crmsim.lab.runs import load_scenario
    from crmsim.lab.settings import read_settings

    scenario = load_scenario(scenario_name)
    values = read_pairs(pairs, settings_file)
    built = scenario.build(read_settings(scenario.settings, values, "settings"), seed=seed)
    if graphml is not None:
        from crmsim.network.graphml import write_graphml

        write_graphml(built, Path(graphml))
    if svg is not None:
        from crmsim.report.look import save_text
        from crmsim.report.topology import topology_svg

        save_text(topology_svg(built, title=scenario.question), Path(svg))
    click.echo(f"{scenario.name}: {len(built.sites())} sites, {len(built.links()) // 2} lines")
    return HELD
