"""The two exceptions that a user meets: a mistake, and a run that was asked to stop."""


class UserError(ValueError):
    """A wrong input: one line that names the entry, its value and what is wanted."""


class Interrupted(Exception):
    """A run that stopped on a signal, its checkpoint written; the text says so in one line."""
