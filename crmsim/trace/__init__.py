"""What happened? Everyone writes it; nobody in the simulated world reads it."""
