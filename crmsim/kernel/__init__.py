"""Whose turn is it? Actors, their messages and mailboxes, and the one schedule that decides order.

trio carries the coroutines: every actor is a trio task in a nursery. The order is ours, because
trio deliberately shuffles tasks that become runnable at the same time.
"""
