"""mypy rejects a wrong message before the run."""

import subprocess
import sys
from pathlib import Path

import pytest

RIGHT = """
from crmsim import Actor, Address, handles, message

@message
class CreateOrder:
    number: int

@message
class CancelOrder:
    number: int

@message
class Weather:
    rain: bool

class Clerk(Actor):
    def both(self, to: Address[CreateOrder | CancelOrder]) -> None:
        self.send(to, CreateOrder(1))
        self.send(to, CancelOrder(1))
        self.narrow(to)

    def narrow(self, to: Address[CreateOrder]) -> None:
        self.send(to, CreateOrder(2))

    async def asking(self, to: Address[CreateOrder]) -> int:
        answer = await self.ask(to, CreateOrder(1), CancelOrder)
        return answer.number

    @handles(CreateOrder)
    def create(self, message: CreateOrder, sender: Address[CancelOrder]) -> None:
        self.send(sender, CancelOrder(message.number))
"""
WRONG = [
    "self.send(to, CreateOrder(1))|self.send(to, Weather(True))",
    "self.narrow(to)|self.narrow(Clerk())",
    "self.send(sender, CancelOrder(message.number))|self.send(sender, message)",
    "CreateOrder(2))|CreateOrder('two'))",
    "return answer.number|return answer",
]


def mypy(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    file = folder / "case.py"
    file.write_text(source)
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), str(file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


@pytest.mark.slow
def test_mypy_accepts_right_and_rejects_wrong_messages(tmp_path):
    pytest.importorskip("mypy")
    done = mypy(tmp_path, RIGHT)
    assert done.returncode == 0, done.stdout
    for change in WRONG:
        old, new = change.split("|")
        assert old in RIGHT
        done = mypy(tmp_path, RIGHT.replace(old, new))
        assert done.returncode == 1, f"{new} was accepted"
        assert "case.py" in done.stdout
