"""Definitions of indicators, written from their sources for comparison: slow, plain, from scratch.

Each takes a context (`mpmath.fp` for floating point, `mpmath.mp` for as many digits as are asked
for), its parameters and its columns, and returns its outputs as lists, None where there is none.
"""

FUNCTIONS = {}


def defines(*names):
    def keep(function):
        for name in names:
            FUNCTIONS[name] = function
        return function

    return keep


def windows(values, period):
    """For each place the last `period` values, None while there are fewer."""
    for at in range(len(values)):
        yield values[at + 1 - period : at + 1] if at + 1 >= period else None


def over(values, period, function):
    return [None if window is None else function(window) for window in windows(values, period)]


@defines("sma")
def sma(context, params, values):
    period = int(params[0])
    return [over(values, period, lambda window: context.fsum(window) / period)]
