"""The example project is run by `tests/test_plugin.py`, as a stranger would run it.

Hypothesis draws the same examples in every run, so that a test that fails does so for everybody.
Other ones: `pytest --hypothesis-profile explore`.
"""

from hypothesis import settings

collect_ignore = ["example_project"]

settings.register_profile("explore", settings(), derandomize=False)
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
