"""What do many runs say?"""
