"""What architects ask: does each command of the README's table name what there is?

Whether the answers point where they should is asserted by `tests/campaigns/test_directions.py`.
"""

import re
import shlex
from pathlib import Path

import pytest

from crmsim.lab.runs import load_scenario
from crmsim.study.design import grid

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUESTIONS = README.partition("## Questions of architects")[2].partition("\n## ")[0]
TABLE = re.findall(r"^\| .* \| `crmsim (.*?)` \| (.*) \|$", QUESTIONS, re.MULTILINE)
ASKED = {
    7: "status_flood",
    19: "apo_outage",
    18: "contract_overcall",
    29: "erp_outage.py --vary lasts",
    32: "erp_outage.py --set lasts",
    33: "erp_slow",
    34: "refuses=",
    35: "lost_answers",
    36: "a planned stop",
    37: "cancel the order",
    38: "stuck_queue",
    40: "retry_storm",
    42: "impatience=",
    49: "new_laptop",
    50: "go_live.py --vary block",
    51: "go_live.py --vary changes",
    52: "filter_changed",
    53: "find_the_difference.py --vary every",
    54: "two_reps_one_customer",
    55: "scenario=each its own,either",
    56: "locks=off",
    57: "dedup=off",
    58: "approval=",
    59: "counts_parts=",
}
"""Number of a question in the tests -> what its command has in it."""


@pytest.mark.parametrize("number", ASKED)
def test_each_question_has_a_command(number):
    assert any(ASKED[number] in command for command, _ in TABLE)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0].split()[1].partition("/")[2])
def test_the_command_of_a_question_names_what_there_is(row):
    command, shown = row
    verb, path, *words = shlex.split(command)
    story = load_scenario(str(ROOT / path))
    said: dict[str, list[str]] = {}
    for option, word in zip(words[::2], words[1::2], strict=True):
        assert option in {"study": ("--vary", "--set"), "compare": ("--set", "--versus")}[verb]
        name, _, values = word.partition("=")
        said.setdefault(option, []).append(word)
        for value in values.split(",") if option == "--vary" else [values]:
            assert list(grid(story.settings, {}, {name: value}, option))
    assert said, "something is varied"
    names = re.findall(r"`(\w+)`", shown)
    assert names, "the table says what to look at"
    files = (ROOT / path, ROOT / "crmsim/lab/metrics.py")
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    for name in names:
        stem = re.sub(r"(meanwhile|before)$", "{when}", name)
        assert f'"{name}"' in source or f'f"{stem}"' in source, name
