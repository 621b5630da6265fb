"""The answer to the exercise of lesson 2: put this into the cell of the exercise."""


class MyWarehouse(Warehouse):
    @handles(Order)
    def got(self, order, sender):
        known = self.sheets.get(order.number)
        if known is None or order.version > known.version:
            self.write_down(order)
        self.send(sender, Receipt(order))
