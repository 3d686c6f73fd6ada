"""Definitions of indicators, written from their sources for comparison: slow, plain, from scratch.

Each takes a context (`mpmath.fp` for floating point, `mpmath.mp` for as many digits as are asked
for), its parameters and its columns, and returns its outputs as lists, None where there is none.
What TA-Lib has is here only where TA-Lib loses digits, so that somebody can judge.
"""

FUNCTIONS = {}


def defines(*names):
    def keep(function):
        for name in names:
            FUNCTIONS[name] = function
        return function

    return keep


def each(function, *rows):
    """The function of the values of each place, None where one of them is."""
    return [None if None in values else function(*values) for values in zip(*rows, strict=True)]


def together(*outputs):
    """Outputs of one function: at each place all of them, or none."""
    there = [None not in values for values in zip(*outputs, strict=True)]
    return [
        [one if is_there else None for one, is_there in zip(output, there)] for output in outputs
    ]


def over(values, period, function):
    """The function of the last `period` values at each place, once there are so many."""
    found = []
    for at in range(1, len(values) + 1):
        window = values[at - period : at] if at >= period else [None]
        found.append(None if None in window else function(window))
    return found


def back(values, count):
    """The values of so many places before."""
    return ([None] * count + values)[: len(values)]


def smooth(values, period, weight):
    """An average that begins with the mean of `period` values and moves by `weight` of the rest."""
    found, last, seen = [], None, []
    for value in values:
        if value is not None and last is not None:
            last = last + weight * (value - last)
        elif value is not None:
            seen.append(value)
            last = sum(seen) / period if len(seen) == period else None
        found.append(last)
    return found


def ema(context, values, period):
    return smooth(values, period, context.mpf(2) / (period + 1))


def wilder(context, values, period):
    return smooth(values, period, context.mpf(1) / period)


def mean(window):
    return sum(window) / len(window)


def variance(window):
    """Of the population; about the mean, so that it cannot be below zero."""
    middle = mean(window)
    return sum((value - middle) ** 2 for value in window) / len(window)


def true_ranges(high, low, close):
    def one(high, low, before):
        return max(high - low, abs(high - before), abs(low - before))

    return each(one, high, low, back(close, 1))


def typical(high, low, close):
    return each(lambda *prices: sum(prices) / 3, high, low, close)
