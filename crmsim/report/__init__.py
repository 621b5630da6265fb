"""How does one see it?"""
