"""What does `crmsim lint` do?"""

from pathlib import Path

import click

from crmsim.cli.output import FAILED, HELD, json_option, must_be_writable, write

__all__ = ["lint_files"]


@click.command("lint")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@json_option
def lint_files(files: tuple[str, ...], json_file: str | None) -> int:
    """Find what would make runs of a file differ, without running it.

    The wall clock, luck that no seed decides, sockets, threads, loops over sets. A line that is
    meant so ends in "# crmsim: ok".
    """
    import attrs

    from crmsim.hunt.lint import lint

    must_be_writable(json_file, "--json")
    found = [remark for file in files for remark in lint(Path(file))]
    for remark in found:
        click.echo(str(remark), err=json_file == "-")
    if not found:
        click.echo(f"{len(files)} files: nothing to be said", err=json_file == "-")
    write(json_file, {"remarks": [attrs.asdict(remark) for remark in found]})
    return FAILED if found else HELD
