"""What does a test need? A stranger among the actors, repeated runs, golden histories."""
