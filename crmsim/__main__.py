"""Lets `python -m crmsim` do what `crmsim` does."""

from crmsim.cli import main

main()
