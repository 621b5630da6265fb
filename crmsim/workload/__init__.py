"""Who works, and what do they write when? Order books, and field forces that are made up."""
