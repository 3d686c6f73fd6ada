"""Definitions of what TA-Lib does not have, from bars: channels, stops, levels."""

from indicator_reference import (
    back,
    defines,
    each,
    ema,
    mean,
    over,
    together,
    true_ranges,
    variance,
    wilder,
)


def whole(params):
    return [int(value) for value in params]


def around(middle, reach):
    """Upper, middle and lower line."""
    upper, lower = each(lambda m, r: m + r, middle, reach), each(lambda m, r: m - r, middle, reach)
    return together(upper, middle, lower)


def average_range(context, high, low, close, period):
    return wilder(context, true_ranges(high, low, close), period)


def midrange(high, low, period):
    return each(lambda a, b: (a + b) / 2, over(high, period, max), over(low, period, min))


@defines("highest")
def highest(context, params, values):
    return [over(values, int(params[0]), max)]


@defines("lowest")
def lowest(context, params, values):
    return [over(values, int(params[0]), min)]


@defines("donchian")
def donchian(context, params, high, low):
    period = int(params[0])
    return [over(high, period, max), midrange(high, low, period), over(low, period, min)]


@defines("keltner")
def keltner(context, params, high, low, close):
    ranges = average_range(context, high, low, close, int(params[2]))
    return around(ema(context, close, int(params[0])), [r and params[1] * r for r in ranges])


@defines("starc")
def starc(context, params, high, low, close):
    ranges = average_range(context, high, low, close, int(params[2]))
    return around(over(close, int(params[0]), mean), [r and params[1] * r for r in ranges])


@defines("envelope")
def envelope(context, params, values):
    middle = over(values, int(params[0]), mean)
    share = context.mpf(params[1]) / 100
    return [
        each(lambda value: value * (1 + share), middle),
        middle,
        each(lambda value: value * (1 - share), middle),
    ]


def bollinger(context, params, values):
    period = int(params[0])
    reach = over(values, period, lambda window: params[1] * context.sqrt(variance(window)))
    return around(over(values, period, mean), reach)


@defines("bollinger_percent_b")
def percent_b(context, params, values):
    def place(value, upper, lower):
        return (value - lower) / (upper - lower) if upper > lower else context.mpf(1) / 2

    upper, _, lower = bollinger(context, params, values)
    return [each(place, values, upper, lower)]


@defines("bollinger_width")
def bollinger_width(context, params, values):
    def width(upper, middle, lower):
        return (upper - lower) / middle if middle else context.mpf(0)

    return [each(width, *bollinger(context, params, values))]


@defines("ichimoku")
def ichimoku(context, params, high, low, close):
    conversion_period, base_period, span_period, shift = whole(params)
    conversion = midrange(high, low, conversion_period)
    base = midrange(high, low, base_period)
    span_a = each(lambda a, b: (a + b) / 2, conversion, base)
    span_b = midrange(high, low, span_period)
    return together(conversion, base, back(span_a, shift), back(span_b, shift), close)


@defines("alligator")
def alligator(context, params, high, low):
    middle = each(lambda a, b: (a + b) / 2, high, low)
    params = whole(params)
    lines = zip(params[0::2], params[1::2])
    return together(*(back(wilder(context, middle, period), shift) for period, shift in lines))


@defines("gator")
def gator(context, params, high, low):
    jaw, teeth, lips = alligator(context, params, high, low)
    upper = each(lambda a, b: abs(a - b), jaw, teeth)
    return [upper, each(lambda a, b: -abs(a - b), teeth, lips)]


def levels_of(high, low, close, pivot):
    """Resistances and supports of the floor traders, about a pivot."""
    span = high - low
    first, second = (2 * pivot - low, 2 * pivot - high), (pivot + span, pivot - span)
    return first, second, (high + 2 * (pivot - low), low - 2 * (high - pivot))


def spread(high, low, middle, ratios):
    return [(middle + ratio * (high - low), middle - ratio * (high - low)) for ratio in ratios]


def pivot_method(method):
    def levels(context, high, low, close):
        pivot = (high + low + close) / 3
        if method == "fibonacci":
            ratios = [context.mpf(ratio) / 1000 for ratio in (382, 618, 1000)]
            return pivot, spread(high, low, pivot, ratios)
        if method == "camarilla":
            ratios = [context.mpf(11) / part for part in (120, 60, 40, 20)]
            return pivot, spread(high, low, close, ratios)
        if method == "woodie":
            pivot = (high + low + 2 * close) / 4
        return pivot, levels_of(high, low, close, pivot)

    return levels


def define_pivots(name, method, wanted):
    def compute(context, params, high, low, close):
        rows = [None]
        for bar in zip(high[:-1], low[:-1], close[:-1]):
            pivot, pairs = method(context, *bar)
            rows.append([pivot, *(level for pair in pairs for level in pair)])
        return [[row and row[at] for row in rows] for at in wanted]

    defines(name)(compute)


define_pivots("pivot", pivot_method("classic"), range(5))
define_pivots("pivot_outer", pivot_method("classic"), (5, 6))
define_pivots("pivot_fibonacci", pivot_method("fibonacci"), range(5))
define_pivots("pivot_fibonacci_outer", pivot_method("fibonacci"), (5, 6))
define_pivots("pivot_camarilla", pivot_method("camarilla"), range(5))
define_pivots("pivot_camarilla_outer", pivot_method("camarilla"), (5, 6, 7, 8))
define_pivots("pivot_woodie", pivot_method("woodie"), range(5))


@defines("supertrend")
def supertrend(context, params, high, low, close):
    """TradingView's: with the first bar's own range, and a fall at first; 1 is a rise here."""
    ranges = [high[0] - low[0], *true_ranges(high, low, close)[1:]]
    reach = wilder(context, ranges, int(params[0]))
    values, directions, upper, lower, line = [], [], None, None, None
    for at, wide in enumerate(reach):
        if wide is None:
            values.append(None)
            directions.append(None)
            continue
        middle = (high[at] + low[at]) / 2
        fresh_upper, fresh_lower = middle + params[1] * wide, middle - params[1] * wide
        last_upper = upper
        if line is None or fresh_lower > lower or close[at - 1] < lower:
            lower = fresh_lower
        if line is None or fresh_upper < upper or close[at - 1] > upper:
            upper = fresh_upper
        if line is None:
            rises = False
        elif line == last_upper:
            rises = close[at] > upper
        else:
            rises = close[at] >= lower
        line = lower if rises else upper
        values.append(line)
        directions.append(1 if rises else -1)
    return [values, directions]


@defines("atr_stop")
def atr_stop(context, params, high, low, close):
    """Vervoort's MetaStock formula; the stop before the first is zero there, below any price."""
    values, directions, stop = [], [], None
    for at, wide in enumerate(average_range(context, high, low, close, int(params[0]))):
        if wide is not None:
            loss = params[1] * wide
            above = stop is None or close[at] > stop
            if stop is None or (above and close[at - 1] <= stop):
                stop = close[at] - loss
            elif above:
                stop = max(stop, close[at] - loss)
            elif close[at] < stop and close[at - 1] < stop:
                stop = min(stop, close[at] + loss)
            else:
                stop = close[at] + loss
        values.append(stop)
        directions.append(None if stop is None else 1 if above else -1)
    return [values, directions]


@defines("chandelier")
def chandelier(context, params, high, low, close):
    period, factor = int(params[0]), params[1]
    reach = average_range(context, high, low, close, period)
    long = each(lambda top, wide: top - factor * wide, over(high, period, max), reach)
    return [long, each(lambda bottom, wide: bottom + factor * wide, over(low, period, min), reach)]


@defines("chande_kroll")
def chande_kroll(context, params, high, low, close):
    below_highs, above_lows = chandelier(context, params, high, low, close)
    count = int(params[2])
    return [over(above_lows, count, min), over(below_highs, count, max)]


def swings(values, left, right):
    """Places that exceed what is right of them, and that nothing left of them exceeds."""
    for at in range(left, len(values) - right):
        before, after = values[at - left : at], values[at + 1 : at + right + 1]
        if all(value <= values[at] for value in before) and all(v < values[at] for v in after):
            yield at


def latest_swing(params, values, sign):
    left, right = whole(params)
    signed = [sign * value for value in values]
    places = list(swings(signed, left, right))
    found, ages = [], []
    for at in range(len(values)):
        if at < left + right:
            found.append(None)
            ages.append(None)
            continue
        known = [place for place in places if place + right <= at]
        found.append(values[known[-1]] if known else sign * max(signed[: at + 1]))
        ages.append(at - known[-1] if known else -1)
    return [found, ages]


@defines("swing_high")
def swing_high(context, params, high):
    return latest_swing(params, high, 1)


@defines("swing_low")
def swing_low(context, params, low):
    return latest_swing(params, low, -1)


def merged(prices, percent):
    """Levels: prices that are, upwards, within some percent of the mean of those before."""
    groups = []
    for price in sorted(prices):
        middle = mean(groups[-1]) if groups else None
        if groups and abs(price - middle) * 100 <= abs(middle) * percent:
            groups[-1].append(price)
        else:
            groups.append([price])
    return [mean(group) for group in groups]


@defines("support_resistance")
def support_resistance(context, params, high, low, close):
    wing, percent, remembered = int(params[0]), params[1], 16
    tops = list(swings(high, wing, wing))
    bottoms = list(swings([-value for value in low], wing, wing))
    supports, resistances = [], []
    for at in range(len(close)):
        if at < 2 * wing:
            supports.append(None)
            resistances.append(None)
            continue
        known = [low[place] for place in bottoms if place + wing <= at][-remembered:]
        below = [level for level in merged(known, percent) if level < close[at]]
        supports.append(max(below) if below else min(low[: at + 1]))
        known = [high[place] for place in tops if place + wing <= at][-remembered:]
        above = [level for level in merged(known, percent) if level > close[at]]
        resistances.append(min(above) if above else max(high[: at + 1]))
    return [supports, resistances]


@defines("zigzag")
def zigzag(context, params, high, low):
    part = context.mpf(params[0]) / 100
    pivots, extremes, directions = [], [], []
    top, bottom, direction, pivot = high[0], low[0], 0, None
    for h, l in zip(high, low):
        rises = h >= bottom + abs(bottom) * part
        falls = l <= top - abs(top) * part
        if direction == 0 and h > top and rises:
            pivot, top, direction = bottom, h, 1
        elif direction == 0 and l < bottom and falls:
            pivot, bottom, direction = top, l, -1
        elif direction == 0:
            top, bottom = max(top, h), min(bottom, l)
        elif direction == 1 and h > top:
            top = h
        elif direction == 1 and falls:
            pivot, bottom, direction = top, l, -1
        elif direction == -1 and l < bottom:
            bottom = l
        elif direction == -1 and rises:
            pivot, top, direction = bottom, h, 1
        middle = (top + bottom) / 2
        pivots.append(pivot if direction else middle)
        extremes.append({0: middle, 1: top, -1: bottom}[direction])
        directions.append(direction)
    return [pivots, extremes, directions]
