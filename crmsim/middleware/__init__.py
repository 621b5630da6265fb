"""How does the server pass a change on? Pure rules of queues and retries: no clock, no sending."""
