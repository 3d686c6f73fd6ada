"""Definitions of what TA-Lib has and computes from running sums, which lose digits.

They have TA-Lib's special cases, found by trying: what is told where a denominator is zero, and
how small a move counts as none."""

from indicator_reference import FUNCTIONS, back, defines, each, ema, mean, over, typical, variance

# How much of a price its mean distance must exceed to count (CCI), and twice that its move (MFI).
TINY = 1e-14


@defines("sma")
def sma(context, params, values):
    return [over(values, int(params[0]), mean)]


@defines("sum")
def window_sum(context, params, values):
    return [over(values, int(params[0]), sum)]


@defines("wma")
def wma(context, params, values):
    period = int(params[0])

    def weighted(window):
        products = (rank * value for rank, value in enumerate(window, 1))
        return sum(products) * 2 / (period * (period + 1))

    return [over(values, period, weighted)]


@defines("trima")
def trima(context, params, values):
    """A simple average of a simple average, of half the period each."""
    half = int(params[0]) // 2 + 1
    return [over(over(values, int(params[0]) + 1 - half, mean), half, mean)]


@defines("kama")
def kama(context, params, values):
    period, fastest, slowest = int(params[0]), context.mpf(2) / 3, context.mpf(2) / 31
    average, found = None, []
    for at, value in enumerate(values):
        if at >= period:
            window = values[at - period : at + 1]
            path = sum(abs(now - last) for last, now in zip(window, window[1:]))
            efficiency = abs(value - window[0]) / path if path else context.mpf(1)
            average = average if at > period else values[at - 1]
            weight = (efficiency * (fastest - slowest) + slowest) ** 2
            average = average + weight * (value - average)
        found.append(average)
    return [found]


@defines("cci")
def cci(context, params, high, low, close):
    def index(window):
        middle = mean(window)
        deviation = mean([abs(value - middle) for value in window])
        if deviation <= TINY * abs(middle):
            return context.mpf(0)
        return (window[-1] - middle) / deviation * 1000 / 15

    return [over(typical(high, low, close), int(params[0]), index)]


@defines("avgdev")
def avgdev(context, params, values):
    def deviation(window):
        middle = mean(window)
        return mean([abs(value - middle) for value in window])

    return [over(values, int(params[0]), deviation)]


@defines("ultosc")
def ultosc(context, params, high, low, close):
    def share(parts):
        bought, ranges = (sum(part) for part in zip(*parts))
        return bought / ranges if ranges else context.mpf(0)

    def bar(h, l, c, last):
        return c - min(l, last), max(h, last) - min(l, last)

    parts = each(bar, high, low, close, back(close, 1))
    shares = [over(parts, int(period), share) for period in sorted(params)]
    return [each(lambda a, b, c: 100 * (4 * a + 2 * b + c) / 7, *shares)]


@defines("mfi")
def mfi(context, params, high, low, close, volume):
    def flow(price, last, volume):
        if abs(price - last) <= TINY * (abs(price) + abs(last)):
            return context.mpf(0), context.mpf(0)
        flows = price * volume, context.mpf(0)
        return flows if price > last else flows[::-1]

    def index(flows):
        rising, falling = (sum(part) for part in zip(*flows))
        # Prices below zero flow backwards: the index stays within its range all the same.
        if rising + falling <= 0:
            return context.mpf(0)
        return min(max(100 * rising / (rising + falling), context.mpf(0)), context.mpf(100))

    prices = typical(high, low, close)
    return [over(each(flow, prices, back(prices, 1), volume), int(params[0]), index)]


def changes(context, values, period):
    """In percent; 0 where there is nothing that a part could be of."""

    def change(now, last):
        return (now - last) / last * 100 if last else context.mpf(0)

    return each(change, values, back(values, period))


@defines("roc")
def roc(context, params, values):
    return [changes(context, values, int(params[0]))]


@defines("trix")
def trix(context, params, values):
    for _ in range(3):
        values = ema(context, values, int(params[0]))
    return [changes(context, values, 1)]


@defines("var")
def var(context, params, values):
    return [over(values, int(params[0]), variance)]


@defines("stddev")
def stddev(context, params, values):
    def deviation(window):
        return params[1] * context.sqrt(variance(window))

    return [over(values, int(params[0]), deviation)]


def moments(pairs):
    """Mean square of the first, of the second, and mean product, about their means."""
    first, second = zip(*pairs)
    product = mean([(a - mean(first)) * (b - mean(second)) for a, b in pairs])
    return variance(first), variance(second), product


@defines("correl")
def correl(context, params, values, others):
    def coefficient(pairs):
        first, second, product = moments(pairs)
        return product / context.sqrt(first * second) if first * second else context.mpf(0)

    return [over(list(zip(values, others)), int(params[0]), coefficient)]


@defines("beta")
def beta(context, params, values, others):
    def change(now, last):
        return (now - last) / last if last else context.mpf(0)

    def slope(pairs):
        first, _, product = moments(pairs)
        return product / first if first else context.mpf(0)

    changes = [each(change, series, back(series, 1)) for series in (values, others)]
    pairs = each(lambda *pair: pair, *changes)
    return [over(pairs, int(params[0]), slope)]


def line(window):
    """Slope of the least squares' line and its value at the first place."""
    middle = (len(window) - 1) / 2
    center = mean(window)
    top = sum((at - middle) * (value - center) for at, value in enumerate(window))
    slope = top / sum((at - middle) ** 2 for at in range(len(window)))
    return slope, center - slope * middle


def define_line(name, function):
    def compute(context, params, values):
        return [
            over(values, int(params[0]), lambda window: function(context, window, *line(window)))
        ]

    defines(name)(compute)


define_line("linearreg", lambda context, window, slope, start: start + slope * (len(window) - 1))
define_line("linearreg_slope", lambda context, window, slope, start: slope)
define_line("linearreg_intercept", lambda context, window, slope, start: start)
define_line("linearreg_angle", lambda context, window, slope, start: angle(context, slope))
define_line("tsf", lambda context, window, slope, start: start + slope * len(window))


def angle(context, slope):
    return context.atan(slope) * 180 / context.pi


def define_ages(name, choose):
    """TA-Lib's place, told as an age; of equal values the newest, where TA-Lib takes now one, now
    another of them."""

    def compute(context, params, values):
        def age(window):
            return list(reversed(window)).index(choose(window))

        return [over(values, int(params[0]), age)]

    defines(name)(compute)


define_ages("max_age", max)
define_ages("min_age", min)


@defines("minmax_age")
def minmax_age(context, params, values):
    return FUNCTIONS["min_age"](context, params, values) + FUNCTIONS["max_age"](context, params, values)


@defines("adr")
def adr(context, params, high, low):
    return [over(each(lambda h, l: h - l, high, low), int(params[0]), mean)]


@defines("heikin_ashi")
def heikin_ashi(context, params, *prices):
    bars = []
    for open_, high, low, close in zip(*prices):
        first, _, _, last = bars[-1] if bars else (open_, None, None, close)
        begin, end = (first + last) / 2, (open_ + high + low + close) / 4
        bars.append((begin, max(high, begin, end), min(low, begin, end), end))
    return [list(column) for column in zip(*bars)]


@defines("fractal")
def fractal(context, params, high, low):
    left, right = int(params[0]), int(params[1])

    def marks(values):
        def mark(window):
            others = window[:left] + window[left + 1 :]
            return 100 if all(value < window[left] for value in others) else 0

        return over(values, left + right + 1, mark)

    return [marks(high), marks([-value for value in low])]
