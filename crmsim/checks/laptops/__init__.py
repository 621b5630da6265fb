"""Were laptops and their reps served right? Sessions, answers, what is where, what was read."""
