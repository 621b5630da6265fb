"""What does one system ask another that must answer at once?"""
