"""Tests that take minutes: many seeds, asserted by intervals. Run with `pytest tests/campaigns`."""
