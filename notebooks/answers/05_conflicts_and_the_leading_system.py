"""The answer to the exercise of lesson 5: put this into the cell of the exercise.

The first one wins. As good: take each change, and tell the authors of
`self.taken[change.seen:]` who are somebody else, before it is taken.
"""


class MyOffice(Office):
    def decide(self, change):
        if change.seen == len(self.taken):
            self.take(change)
        else:
            self.tell(change)
