"""Every exception and warning that Eddyline raises on purpose.

What belongs here: the tree, one class each with the condition that raises it. What does not: message texts,
which stand where the error is raised and have four parts (the thing, the rule, the value, the way out).

::

    EddylineError
    ├── UsageError          the caller asked for something that does not exist or contradicts itself
    ├── InputError          a file, a stream or a packet cannot be read at all
    │   └── UnknownFormatError   no reader recognises the content
    ├── DataError           numbers or tokens break the contract of a border (also a ValueError)
    │   └── TooFewRowsError      not enough rows to fit, calibrate or judge
    ├── ModelError          a model file is damaged, hostile, or of a version that is not known
    ├── RefusedError        a rule of honest evaluation is broken, and nobody waived it
    └── MissingExtraError   an optional library is needed; says which extra to install (also an ImportError)

    EddylineWarning (UserWarning)
    ├── DegradedWarning     a detector runs with less than it needs, and says what is lost
    └── SplitWarning        rows cannot be parted as asked, and how far they are from it
"""

from __future__ import annotations


class EddylineError(Exception):
    """Base of every error of ours."""


class UsageError(EddylineError, ValueError):
    """Raised when an argument, an option or a combination of them has no meaning."""


class InputError(EddylineError):
    """Raised when an input cannot be read at all; single bad rows are counted, not raised."""


class UnknownFormatError(InputError):
    """Raised when no registered reader recognises the first bytes of an input."""


class DataError(EddylineError, ValueError):
    """Raised when a matrix, a table or a token group breaks its contract (width, finiteness, emptiness)."""


class TooFewRowsError(DataError):
    """Raised when there are fewer rows than a method needs; another method never takes its place."""


class ModelError(EddylineError):
    """Raised when a model file is damaged, carries unknown parts, or was written by an unknown version."""


class RefusedError(EddylineError):
    """Raised when a result would break a rule of honest evaluation; its text begins with the rule's name."""


class MissingExtraError(EddylineError, ImportError):
    """Raised when a feature needs an optional library that is not installed."""


class EddylineWarning(UserWarning):
    """Base of every warning of ours."""


class DegradedWarning(EddylineWarning):
    """Warns that a detector runs with less than it needs and names what it cannot see."""


class SplitWarning(EddylineWarning):
    """Warns that training and validation rows could not be parted as asked, with the shares of each class."""
