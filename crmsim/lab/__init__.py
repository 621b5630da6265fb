"""What is the story? Scenarios, the landscapes they build, and what one run of them says."""
