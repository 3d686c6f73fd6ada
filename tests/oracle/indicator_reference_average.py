"""Definitions of moving averages of every kind, and of what is made of two of them."""

import indicator_reference_cycle
import indicator_reference_talib as windows
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

SMA, EMA, WMA, DEMA, TEMA, TRIMA, KAMA, MAMA, T3, HMA, NONE, DEFAULT, ZLEMA, RMA = range(14)


def moving(context, values, period, kind):
    """An average of one of TA-Lib's kinds, of a series that may begin with nothing."""
    empty = next((at for at, value in enumerate(values) if value is not None), len(values))
    if period == 1 or kind == NONE or empty == len(values):
        return values
    return [None] * empty + of_kind(context, values[empty:], period, kind)


def of_kind(context, values, period, kind):
    if kind in (SMA, DEFAULT):
        return over(values, period, mean)
    if kind == EMA:
        return ema(context, values, period)
    if kind == RMA:
        return wilder(context, values, period)
    if kind == HMA:
        return hma(context, [period], values)[0]
    if kind == ZLEMA:
        ahead = each(lambda now, last: 2 * now - last, values, back(values, (period - 1) // 2))
        return ema(context, ahead, period)
    if kind == DEMA:
        one, two = cascade(context, values, period, 2)
        return each(lambda a, b: 2 * a - b, one, two)
    if kind == TEMA:
        return each(lambda a, b, c: 3 * a - 3 * b + c, *cascade(context, values, period, 3))
    if kind == MAMA:
        limits = [context.mpf(1) / 2, context.mpf(5) / 100]
        return indicator_reference_cycle.mama(context, limits, values)[0]
    if kind == T3:
        return t3(context, [period, context.mpf(7) / 10], values)[0]
    function = {WMA: windows.wma, TRIMA: windows.trima, KAMA: windows.kama}[kind]
    return function(context, [period], values)[0]


def cascade(context, values, period, count):
    """An exponential average, that of it, and so on."""
    found = []
    for _ in range(count):
        values = ema(context, values, period)
        found.append(values)
    return found


@defines("t3")
def t3(context, params, values):
    factor = params[1]
    third, fourth, fifth, sixth = cascade(context, values, int(params[0]), 6)[2:]
    square, cube = factor**2, factor**3
    weights = 1 + 3 * factor + 3 * square + cube, -3 * factor - 6 * square - 3 * cube
    weights += 3 * square + 3 * cube, -cube
    return [
        each(lambda *four: sum(w * e for w, e in zip(weights, four)), third, fourth, fifth, sixth)
    ]


@defines("ma")
def ma(context, params, values):
    return [moving(context, values, *map(int, params))]


def aligned(context, values, *kinds):
    """Averages that all begin to move at the same place, as TA-Lib has them in one function."""
    plain = [moving(context, values, *kind) for kind in kinds]
    starts = [row.index(next((v for v in row if v is not None), None)) for row in plain]
    if any(row[start] is None for row, start in zip(plain, starts)):
        return [[None] * len(values) for _ in kinds]
    late = [max(starts) - start for start in starts]
    rows = (moving(context, values[drop:], *kind) for drop, kind in zip(late, kinds))
    return [[None] * drop + row for drop, row in zip(late, rows)]


@defines("apo")
def apo(context, params, values):
    return [each(lambda fast, slow: fast - slow, *of_price(context, params, values))]


def of_price(context, params, values):
    """The fast and the slow average, whichever was named first; each begins as if it were alone."""
    *periods, kind = map(int, params)
    kind = EMA if kind == DEFAULT else kind
    return [moving(context, values, period, kind) for period in sorted(periods)]


@defines("ppo")
def ppo(context, params, values):
    def part(fast, slow):
        return (fast - slow) / slow * 100 if slow else context.mpf(0)

    return [each(part, *of_price(context, params, values))]


@defines("macdext")
def macdext(context, params, values):
    params = list(map(int, params))
    kinds = sorted([params[:2], params[2:4]], key=lambda kind: kind[0])
    lines = aligned(context, values, *kinds)
    macd = each(lambda fast, slow: fast - slow, *lines)
    signal = moving(context, macd, *params[4:])
    return together(macd, signal, each(lambda m, s: m - s, macd, signal))


@defines("bbands")
def bbands(context, params, values):
    period = int(params[0])
    middle = moving(context, values, period, int(params[3]))
    deviation = over(values, period, lambda window: context.sqrt(variance(window)))
    upper = each(lambda m, d: m + params[1] * d, middle, deviation)
    lower = each(lambda m, d: m - params[2] * d, middle, deviation)
    return together(upper, middle, lower)


@defines("accbands")
def accbands(context, params, high, low, close):
    def upper(h, l):
        return h * (1 + 4 * (h - l) / (h + l)) if h + l else h

    def lower(h, l):
        return l * (1 - 4 * (h - l) / (h + l)) if h + l else l

    rows = each(upper, high, low), close, each(lower, high, low)
    return [over(row, int(params[0]), mean) for row in rows]


@defines("hma")
def hma(context, params, values):
    period = int(params[0])
    whole = windows.wma(context, [period], values)[0]
    half = moving(context, values, period // 2, WMA)
    raw = each(lambda h, w: 2 * h - w, half, whole)
    return [moving(context, raw, int(period**0.5), WMA)]


@defines("vwma")
def vwma(context, params, values, volume):
    """Nothing where nothing was traded, which may be in the middle of a series."""

    def average(pairs):
        total = sum(volume for _, volume in pairs)
        return sum(value * volume for value, volume in pairs) / total if total else None

    return [over(list(zip(values, volume)), int(params[0]), average)]


@defines("alma")
def alma(context, params, values):
    """TradingView's ta.alma, without floor."""
    period, offset, sigma = int(params[0]), params[1], params[2]
    top, width = offset * (period - 1), period / context.mpf(sigma)
    weights = [context.exp(-((at - top) ** 2) / (2 * width**2)) for at in range(period)]

    def average(window):
        return sum(w * value for w, value in zip(weights, window)) / sum(weights)

    return [over(values, period, average)]


@defines("vidya")
def vidya(context, params, values):
    """MetaTrader's: the momentum oscillator without its sign, of simple sums."""
    momentum, period = map(int, params)
    found, average = [], None
    for at, value in enumerate(values):
        if at < momentum + period - 1:
            average = value
            found.append(None)
            continue
        window = values[at - momentum : at + 1]
        steps = [now - last for last, now in zip(window, window[1:])]
        way = sum(map(abs, steps))
        weight = abs(sum(steps)) / way * 2 / (period + 1) if way else context.mpf(0)
        average = weight * value + (1 - weight) * average
        found.append(average)
    return [found]


@defines("efficiency_ratio")
def efficiency_ratio(context, params, values):
    """1 where nothing moved, as in TA-Lib."""

    def ratio(window):
        way = sum(abs(now - last) for last, now in zip(window, window[1:]))
        return abs(window[-1] - window[0]) / way if way else context.mpf(1)

    return [over(values, int(params[0]) + 1, ratio)]


@defines("frama")
def frama(context, params, high, low):
    """Ehlers' EasyLanguage; the dimension stays where a range is zero, and is zero at first."""
    half = (int(params[0]) + 1) // 2
    found, average, dimension = [], None, context.mpf(0)
    for at, price in enumerate(each(lambda h, l: (h + l) / 2, high, low)):
        if at >= 2 * half - 1:
            newer = max(high[at + 1 - half : at + 1]) - min(low[at + 1 - half : at + 1])
            older = slice(at + 1 - 2 * half, at + 1 - half)
            older = max(high[older]) - min(low[older])
            whole = slice(at + 1 - 2 * half, at + 1)
            whole = (max(high[whole]) - min(low[whole])) / 2
            if newer > 0 and older > 0 and whole > 0:
                dimension = context.log((newer + older) / whole) / context.log(context.mpf(2))
        weight = context.exp(-(dimension - 1) * 46 / 10)
        weight = min(max(weight, context.mpf(1) / 100), context.mpf(1))
        is_first = at < 2 * half
        average = price if is_first else weight * price + (1 - weight) * average
        found.append(None if is_first else average)
    return [found]


@defines("mcginley")
def mcginley(context, params, values):
    """TradingView's, with a step that never goes beyond the value."""
    found, average = [], None
    for value in values:
        if not average:
            average = value
        else:
            ratio = params[0] * (value / average) ** 4
            average = average + (value - average) / max(ratio, context.mpf(1))
        found.append(average)
    return [found]


def rsi(context, values, period):
    def strength(up, down):
        return 100 * up / (up + down) if up + down else context.mpf(0)

    steps = each(lambda now, last: now - last, values, back(values, 1))
    zero = context.mpf(0)
    up = wilder(context, each(lambda step: max(step, zero), steps), period)
    down = wilder(context, each(lambda step: max(-step, zero), steps), period)
    return each(strength, up, down)


def place(context, highs, lows, values, period):
    """Where the value is in the range of the last ones, from 0 to 100."""

    def part(top, bottom, value):
        return 100 * (value - bottom) / (top - bottom) if top > bottom else context.mpf(0)

    return each(part, over(highs, period, max), over(lows, period, min), values)


@defines("stoch")
def stoch(context, params, high, low, close):
    fast, *kinds = map(int, params)
    slow = moving(context, place(context, high, low, close, fast), *kinds[:2])
    return together(slow, moving(context, slow, *kinds[2:]))


@defines("stochf")
def stochf(context, params, high, low, close):
    fast, *kind = map(int, params)
    raw = place(context, high, low, close, fast)
    return together(raw, moving(context, raw, *kind))


@defines("stochrsi")
def stochrsi(context, params, values):
    strength = rsi(context, values, int(params[0]))
    return stochf(context, params[1:], strength, strength, strength)


@defines("percent_rank")
def percent_rank(context, params, values):
    return [ranks(context, values, int(params[0]))]


def ranks(context, values, count):
    def rank(window):
        below = sum(value < window[-1] for value in window[:-1])
        return context.mpf(100 * below) / count

    return over(values, count + 1, rank)


@defines("connors_rsi")
def connors_rsi(context, params, values):
    """A rate of change of nothing is 0, and the first value begins no streak."""
    period, streak_period, rank_period = map(int, params)
    streaks, changes = [context.mpf(0)], [None]
    for last, now in zip(values, values[1:]):
        side = (now > last) - (now < last)
        streaks.append(
            streaks[-1] + side if side and streaks[-1] * side >= 0 else context.mpf(side)
        )
        changes.append((now - last) / last if last else context.mpf(0))
    parts = rsi(context, values, period), rsi(context, streaks, streak_period)
    return [each(lambda a, b, c: (a + b + c) / 3, *parts, ranks(context, changes, rank_period))]


@defines("median")
def median(context, params, values):
    def middle(window):
        ordered, half = sorted(window), len(window) // 2
        return ordered[half] if len(window) % 2 else (ordered[half - 1] + ordered[half]) / 2

    return [over(values, int(params[0]), middle)]


@defines("zscore")
def zscore(context, params, values):
    def score(window):
        square = variance(window)
        return (window[-1] - mean(window)) / context.sqrt(square) if square else context.mpf(0)

    return [over(values, int(params[0]), score)]


@defines("fisher_transform")
def fisher_transform(context, params, high, low):
    """Ehlers' EasyLanguage."""
    prices = each(lambda h, l: (h + l) / 2, high, low)
    position = fisher = context.mpf(0)
    found, period, edge = [], int(params[0]), context.mpf(99) / 100
    for at, price in enumerate(prices):
        if at + 1 < period:
            found.append(None)
            continue
        window = prices[at + 1 - period : at + 1]
        span = max(window) - min(window)
        share = (price - min(window)) / span - context.mpf(1) / 2 if span else context.mpf(0)
        position = share * 66 / 100 + position * 67 / 100
        if abs(position) > edge:
            position = context.mpf(999) / 1000 * (1 if position > 0 else -1)
        fisher = context.log((1 + position) / (1 - position)) / 2 + fisher / 2
        found.append(fisher)
    return together(found, back(found, 1))


@defines("choppiness")
def choppiness(context, params, high, low, close):
    def share(way, top, bottom):
        if not way or top == bottom:
            return context.mpf(0)
        return 100 * context.log(way / (top - bottom)) / context.log(context.mpf(period))

    period = int(params[0])
    way = over(true_ranges(high, low, close), period, sum)
    return [each(share, way, over(high, period, max), over(low, period, min))]


@defines("vortex")
def vortex(context, params, high, low, close):
    def share(moves, ranges):
        return moves / ranges if ranges else context.mpf(0)

    period = int(params[0])
    ranges = over(true_ranges(high, low, close), period, sum)
    plus = each(lambda h, l: abs(h - l), high, back(low, 1))
    minus = each(lambda l, h: abs(l - h), low, back(high, 1))
    return [each(share, over(moves, period, sum), ranges) for moves in (plus, minus)]
