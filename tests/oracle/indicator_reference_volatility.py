"""Definitions of volatilities, and of averages by volume."""

from indicator_reference import back, defines, each, ema, mean, over, together, true_ranges
from indicator_reference import typical, variance, wilder
from indicator_reference_bars import average_range, whole

DAY_S = 86_400


@defines("ulcer")
def ulcer(context, params, values):
    def drawdown(value, top):
        return ((value - top) / top * 100) ** 2 if top else context.mpf(0)

    period = int(params[0])
    squares = each(drawdown, values, over(values, period, max))
    return [over(squares, period, lambda window: context.sqrt(mean(window)))]


@defines("chaikin_volatility")
def chaikin_volatility(context, params, high, low):
    def change(now, before):
        return (now - before) / before * 100 if before else context.mpf(0)

    average = ema(context, each(lambda a, b: a - b, high, low), int(params[0]))
    return [each(change, average, back(average, int(params[1])))]


@defines("relative_volatility")
def relative_volatility(context, params, values):
    period, smoothing = whole(params)
    deviation = over(values, period, lambda window: context.sqrt(variance(window)))
    before = [values[0], *values[:-1]]
    zero = context.mpf(0)
    up = each(lambda d, now, last: d if now > last else zero, deviation, values, before)
    down = each(lambda d, now, last: d if now < last else zero, deviation, values, before)
    up, down = wilder(context, up, smoothing), wilder(context, down, smoothing)
    return [each(lambda u, d: 100 * u / (u + d) if u + d else context.mpf(50), up, down)]


@defines("random_walk")
def random_walk(context, params, high, low, close):
    def share(distance, wide):
        return distance / (wide * root) if wide else context.mpf(0)

    period = int(params[0])
    root = context.sqrt(context.mpf(period))
    wide = average_range(context, high, low, close, period)
    up = each(lambda now, before: now - before, high, back(low, period))
    down = each(lambda before, now: before - now, back(high, period), low)
    return together(each(share, up, wide), each(share, down, wide))


@defines("squeeze")
def squeeze(context, params, high, low, close):
    period, deviations, factor = int(params[0]), params[1], params[2]
    reach = over(close, period, lambda window: deviations * context.sqrt(variance(window)))
    wide = over(true_ranges(high, low, close), period, mean)
    return [each(lambda band, channel: int(band < factor * channel), reach, wide)]


def log_ratio(context, price, base):
    return context.log(price / base) if price > 0 and base > 0 else context.mpf(0)


def sample_variance(window):
    return variance(window) * len(window) / (len(window) - 1)


def annual(context, squares, period, year):
    def root(window):
        return context.sqrt(max(mean(window), 0) * year)

    return [over(squares, period, root)]


@defines("historical_volatility")
def historical_volatility(context, params, values):
    returns = each(lambda now, last: log_ratio(context, now, last), values, back(values, 1))
    root = lambda window: context.sqrt(sample_variance(window) * params[1])
    return [over(returns, int(params[0]), root)]


@defines("parkinson")
def parkinson(context, params, high, low):
    scale = 4 * context.log(context.mpf(2))
    squares = each(lambda h, l: log_ratio(context, h, l) ** 2 / scale, high, low)
    return annual(context, squares, int(params[0]), params[1])


@defines("garman_klass")
def garman_klass(context, params, opened, high, low, close):
    def square(o, h, l, c):
        range_part = log_ratio(context, h, l) ** 2 / 2
        return range_part - body_share * log_ratio(context, c, o) ** 2

    body_share = 2 * context.log(context.mpf(2)) - 1
    squares = each(square, opened, high, low, close)
    return annual(context, squares, int(params[0]), params[1])


def drift_free(context, o, h, l, c):
    upper = log_ratio(context, h, c) * log_ratio(context, h, o)
    return upper + log_ratio(context, l, c) * log_ratio(context, l, o)


@defines("rogers_satchell")
def rogers_satchell(context, params, *bar):
    squares = each(lambda *prices: drift_free(context, *prices), *bar)
    return annual(context, squares, int(params[0]), params[1])


@defines("yang_zhang")
def yang_zhang(context, params, opened, high, low, close):
    period, year = int(params[0]), params[1]
    before = back(close, 1)
    gaps = each(lambda o, last: log_ratio(context, o, last), opened, before)
    # The first bar has no close before it, and does not count.
    bodies = each(lambda o, c, _: log_ratio(context, c, o), opened, close, before)
    within = each(
        lambda o, h, l, c, _: drift_free(context, o, h, l, c), opened, high, low, close, before
    )
    k = context.mpf(34) / 100 / (context.mpf(134) / 100 + context.mpf(period + 1) / (period - 1))
    parts = over(gaps, period, sample_variance), over(bodies, period, sample_variance)
    total = each(lambda g, b, w: g + k * b + (1 - k) * w, *parts, over(within, period, mean))
    return [each(lambda square: context.sqrt(max(square, 0) * year), total)]


def vwap_lines(context, bars, deviations=0.0):
    """The average of what was given so far, by volume, and lines about it."""
    rows, weights, prices = [], [], []
    for price, volume in bars:
        prices.append(price)
        weights.append(volume)
        total = sum(weights)
        if total > 0:
            middle = sum(w * p for w, p in zip(weights, prices)) / total
            square = sum(w * (p - middle) ** 2 for w, p in zip(weights, prices)) / total
        else:
            middle, square = price, context.mpf(0)
        reach = deviations * context.sqrt(square)
        rows.append((middle + reach, middle, middle - reach))
    return rows


@defines("vwap")
def vwap(context, params, high, low, close, volume):
    rows = vwap_lines(context, zip(typical(high, low, close), volume))
    return [[row[1] for row in rows]]


@defines("vwap_bands")
def vwap_bands(context, params, high, low, close, volume):
    rows = vwap_lines(context, zip(typical(high, low, close), volume), params[0])
    return list(map(list, zip(*rows)))


def by_day(context, high, low, close, volume, time, offset, deviations):
    days = [context.floor((now - offset) / DAY_S) for now in time]
    rows, today = [], []
    for at, bar in enumerate(zip(typical(high, low, close), volume)):
        if at and days[at] != days[at - 1]:
            rows += vwap_lines(context, today, deviations)
            today = []
        today.append(bar)
    return list(map(list, zip(*rows, *vwap_lines(context, today, deviations))))


@defines("vwap_session")
def vwap_session(context, params, *columns):
    return by_day(context, *columns, params[0], 0.0)[1:2]


@defines("vwap_session_bands")
def vwap_session_bands(context, params, *columns):
    return by_day(context, *columns, *params)


@defines("vwap_rolling")
def vwap_rolling(context, params, high, low, close, volume):
    def average(prices, weights):
        total = sum(weights)
        if total > 0:
            return sum(w * p for w, p in zip(weights, prices)) / total
        return mean(prices)

    prices, period = typical(high, low, close), int(params[0])
    pairs = list(zip(prices, volume))
    return [over(pairs, period, lambda window: average(*zip(*window)))]
