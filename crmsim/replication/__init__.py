"""Who gets what, and how does it stay so? Site queues, receivers, realignment, the demon."""
