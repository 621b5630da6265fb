"""Is the simulator right? Cases whose answers nobody on this project invented."""
