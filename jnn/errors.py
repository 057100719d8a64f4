"""The one error that jnn raises for a user's mistake, and the form of its message."""


class JnnError(ValueError):
    """A user's mistake: bad shapes, types, values, options, files.

    The message says where it happened, what was got, what is expected and one remedy. At the command line it is printed without a traceback.
    """


def mistake(where: str, *, got: str, expected: str, remedy: str = "") -> JnnError:
    """The error to raise for a user's mistake, its message in the one form of the house.

    >>> print(mistake("dense", got="features=0", expected="an integer >= 1", remedy="Pass the number of outputs, as in dense(10)."))
    dense: got features=0, expected an integer >= 1. Pass the number of outputs, as in dense(10).
    """
    return JnnError(f"{where}: got {got}, expected {expected}.{' ' + remedy if remedy else ''}")
