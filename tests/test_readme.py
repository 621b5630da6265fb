"""What the README tells an architect and a teacher to type does what it says there."""

import re
import shlex
from pathlib import Path

import pytest

from crmsim.cli import run_command

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PICTURES = ROOT / "notebooks" / "pictures"
COMMANDS = [
    shlex.split(line)[1:]
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("crmsim ")
]
DRAWN = [words for words in COMMANDS if words[-1].startswith("notebooks/pictures/")]
STUDY = next(words for words in COMMANDS if words[0] == "study" and "--dry-run" not in words)


def typed(words: list[str], folder: Path, monkeypatch) -> int:
    """Run a command of the README in the project, with what it writes in another folder."""
    monkeypatch.chdir(ROOT)
    files = ("calls.sqlite", "calls.html", "one_run.html")
    moved = [
        str(folder / word)
        if word.startswith(files)
        else word.replace("notebooks/pictures", str(folder))
        for word in words
    ]
    return run_command(moved)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the study of the README is."""
    found = tmp_path_factory.mktemp("readme")
    with pytest.MonkeyPatch.context() as patch:
        assert typed(STUDY, found, patch) == 0
    return found


def shapes(svg: str) -> tuple[list[str], int, int]:
    """What a picture says, and how much is drawn.

    Not its bytes: another version of matplotlib or of its fonts places the same things elsewhere.
    """
    words = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    return words, svg.count("<path"), svg.count("<use")


@pytest.mark.parametrize("words", DRAWN, ids=lambda words: Path(words[-1]).stem)
def test_a_picture_is_what_its_command_draws(words, folder, monkeypatch):
    name = Path(words[-1]).name
    assert typed(words, folder, monkeypatch) == 0
    now, kept = ((place / name).read_text(encoding="utf-8") for place in (folder, PICTURES))
    assert shapes(now) == shapes(kept), "draw it anew with the command of the README"
    assert shapes(kept)[0], "a picture says something"


def test_every_picture_has_a_command_and_is_shown():
    kept = {path.name for path in PICTURES.iterdir()}
    assert kept == {Path(words[-1]).name for words in DRAWN}
    for name in kept:
        assert f"](notebooks/pictures/{name})" in README


def test_the_table_of_the_architect_is_what_the_study_prints(folder, capsys, monkeypatch):
    assert typed(STUDY, folder, monkeypatch) == 0
    printed = capsys.readouterr().out.splitlines()
    shown = next(b for b in re.findall(r"```text\n(.*?)```", README, re.DOTALL) if "cell" in b[:6])
    for line in shown.splitlines():
        assert line in printed


def test_the_other_commands_of_the_architect_work(folder, capsys, monkeypatch):
    mine = [w for w in COMMANDS if "calls.sqlite" in " ".join(w) or "describe" in w]
    for words in mine:
        if words not in DRAWN and words != STUDY:
            assert typed(words, folder, monkeypatch) == 0, words
    told = capsys.readouterr().out
    assert "50 of them are in" in told, "the dry run knows what is there"
    assert "-16.1" in told, "from two calls to four"
    assert (folder / "calls.html").stat().st_size > 10_000
    assert (folder / "one_run.html").stat().st_size > 10_000


def test_the_settings_file_of_the_readme_can_be_read(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    told = next(b for b in re.findall(r"```text\n(.*?)```", README, re.DOTALL) if "[vary]" in b)
    file = tmp_path / "vary.toml"
    file.write_text(told, encoding="utf-8")
    words = ["study", "scenarios/field_day.py", "--settings", str(file), "--repeat", "2"]
    monkeypatch.setattr("crmsim.study.study.Plan.pilot_s", lambda plan: 1.0)
    assert run_command([*words, "--store", str(tmp_path / "no.sqlite"), "--dry-run"]) == 0
    assert "6 cells by 2 replications: 12 runs" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [file]
