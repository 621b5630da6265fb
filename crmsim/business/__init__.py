"""What do people work on? Frozen values that would be true if computers did not exist."""
