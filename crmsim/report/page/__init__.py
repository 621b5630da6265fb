"""How does a run, or a study, look as one page that opens anywhere?"""
