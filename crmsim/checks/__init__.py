"""Was it right? Judges that read the journal and the final states, and nothing else."""
