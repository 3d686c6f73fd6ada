"""TA-Lib as the peer: which of its functions a function of ours is, and how it is called."""

import numpy
import talib
import talib.abstract

VERSION = talib.__ta_version__.decode().split()[0]
# Ours by another name; what they tell as a place in the series is an age here.
NAMES = {}
AGES = {"max_age": "MAXINDEX", "min_age": "MININDEX"}
# A function of that name which is another function, and why.
OTHERS = {}
KNOWN = set(talib.get_functions())


class Refused(Exception):
    """Parameters that TA-Lib does not take."""


def name_of(name):
    return AGES.get(name) or NAMES.get(name) or name.upper()


def has(name):
    return name not in OTHERS and name_of(name) in KNOWN


def run(function, params, series):
    """Lookback and outputs of the same function, with the same parameters, of the same series."""
    name = name_of(function["function"])
    theirs = talib.abstract.Function(name)
    kinds = [type(default) for default in theirs.info["parameters"].values()]
    if len(kinds) != len(params):
        raise Refused(f"{name} takes {list(theirs.info['parameters'])}")
    values = [kind(value) for kind, value in zip(kinds, params)]
    try:
        outputs = getattr(talib, name)(*series, *values)
        theirs.parameters = dict(zip(theirs.info["parameters"], values))
        lookback = theirs.lookback
    except Exception as error:  # TA-Lib's wrapper raises nothing more exact
        raise Refused(f"{name}{values}: {error}") from error
    outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
    outputs = [numpy.array(output, float) for output in outputs]
    for output in outputs:
        # Where an output is whole, nothing but zeros stands before the first.
        output[:lookback] = numpy.nan
    if function["function"] in AGES:
        outputs = [numpy.arange(len(output)) - output for output in outputs]
    return lookback, outputs
