"""The exceptions of the library; each message says what to change."""


class GameError(ValueError):
    """A game, a start, an axis or an option is defined in a way that cannot be solved."""


class StoreError(RuntimeError):
    """A store on disk cannot be used: it belongs to another sweep, is damaged, or cannot be written."""


class NotSolvedError(RuntimeError):
    """A single solve did not end in a certified equilibrium; raised once, at its end."""


class NotIdentifiedWarning(UserWarning):
    """Parameters of a `fit` that its moments cannot tell apart."""
