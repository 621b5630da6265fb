"""Was it as expected, and how long did it take? Sentences over histories, with evidence."""
