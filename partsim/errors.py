"""The one exception for mistakes of the user."""


class UserError(ValueError):
    """A wrong input: one line that names the entry, its value and what is wanted."""
