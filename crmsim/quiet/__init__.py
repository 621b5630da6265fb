"""When is all at rest, and what is left out when final states are judged?"""
