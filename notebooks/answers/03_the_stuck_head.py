"""The answer to the exercise of lesson 3: put this into the cell of the exercise."""


class MyWarehouse(Warehouse):
    def pick(self):
        kept_waiting = [work.order for work in self.stuck]
        for work in self.waiting:
            if work.order not in kept_waiting:
                return work
        return None
