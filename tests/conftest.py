"""The example project is run by `tests/test_plugin.py`, as a stranger would run it."""

collect_ignore = ["example_project"]
