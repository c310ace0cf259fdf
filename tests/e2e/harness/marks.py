"""Marks for test functions."""


def within(seconds):
    """The test may take so long."""
    def mark(function):
        function.timeout = seconds
        return function
    return mark


def long(function):
    """Not with --short (under sanitizers)."""
    function.long = True
    return function


def proof(function):
    """Only in `./dev proof`: too much for every day."""
    function.proof = True
    return function
