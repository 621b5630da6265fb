"""The answer to the exercise of lesson 4: put this into the cell of the exercise.

The last call comes when nothing can come any more; the first one not before it finds something.
"""

MY_CALLS = (hours(10.75), hours(13.25), hours(15.75), hours(18.25))
