"""With which verbs does a story load, compare and repair?"""
