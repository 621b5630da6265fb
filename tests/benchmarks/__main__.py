"""Prints the benchmarks: `python -m tests.benchmarks [GROUP] [--json FILE]`."""

import argparse
import json
from pathlib import Path

from tests.benchmarks import hunting, kernel, scale, study

GROUPS = {
    "kernel": kernel.measure,
    "scale": scale.measure,
    "hunting": hunting.measure,
    "study": study.measure,
}


def main() -> None:
    """Measure the groups that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("group", nargs="?", default="all", choices=[*GROUPS, "all"])
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--turns", type=int, default=5, help="paired turns per ratio (default: 5)")
    chosen = parser.parse_args()
    names = list(GROUPS) if chosen.group == "all" else [chosen.group]
    figures = {name: GROUPS[name](chosen.turns) for name in names}
    for name in names:
        for key, value in figures[name].items():
            parts = value if isinstance(value, dict) else {"": value}
            for part, number in parts.items():
                print(f"{name:<8} {key + (f'[{part}]' if part else ''):<32} {number:12.2f}")
    if chosen.json:
        content = figures if chosen.group == "all" else figures[chosen.group]
        Path(chosen.json).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
