"""How does a laptop catch up? Pure rules of sessions, outbox and import."""
