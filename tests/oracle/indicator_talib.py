"""TA-Lib as the peer: which of its functions a function of ours is, and how it is called."""

import numpy
import talib
import talib.abstract

VERSION = talib.__ta_version__.decode().split()[0]
# What they tell as a place in the series is an age here.
AGES = {"max_age": "MAXINDEX", "min_age": "MININDEX", "minmax_age": "MINMAXINDEX"}
# Theirs by another name.
NAMES = AGES | {
    "accelerator": "AC",
    "awesome": "AO",
    "chaikin_volatility": "CVI",
    "efficiency_ratio": "ER",
    "elder_ray": "ERI",
    "force_index": "EFI",
    "heikin_ashi": "HA",
    "mass_index": "MASSI",
    "negative_volume_index": "NVI",
    "percent_rank": "PERCENTRANK",
    "positive_volume_index": "PVI",
    "relative_volatility": "RVI",
    "volume_oscillator": "PVO",
}
# Where our parameters are in another order than theirs: which of ours each of theirs is.
ORDER = {"relative_volatility": (1, 0)}
# What ours has no parameter for, after the others.
FIXED = {"var": [1.0]}
# A function of that name is another one there, and how they differ.
OTHERS = {
    "keltner": "TA-Lib's KC is around an average of the typical price",
    "supertrend": "TA-Lib begins one bar later, as the first bar has no true range",
    "vwap": "TA-Lib tells 0, not the price, before anything was traded",
}
KNOWN = set(talib.get_functions())


class Refused(Exception):
    """Parameters that TA-Lib does not take."""


def name_of(name):
    return NAMES.get(name, name.upper())


def has(name):
    return name not in OTHERS and name_of(name) in KNOWN


def run(function, params, series):
    """Lookback and outputs of the same function, with the same parameters, of the same series."""
    name = name_of(function["function"])
    theirs = talib.abstract.Function(name)
    kinds = [type(default) for default in theirs.info["parameters"].values()]
    params = params + FIXED.get(function["function"], [])
    if len(kinds) != len(params):
        raise Refused(f"{name} takes {list(theirs.info['parameters'])}")
    order = ORDER.get(function["function"], range(len(params)))
    values = [kind(params[at]) for kind, at in zip(kinds, order)]
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
