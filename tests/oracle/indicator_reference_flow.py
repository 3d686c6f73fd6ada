"""Definitions of oscillators of price, and of price and volume."""

from indicator_reference import FUNCTIONS, back, defines, each, ema, mean, over, together
from indicator_reference_average import DEFAULT, RMA, WMA, of_kind, ppo
from indicator_reference_talib import changes


def less(one, other):
    return each(lambda a, b: a - b, one, other)


@defines("dpo")
def dpo(context, params, values):
    """The value of half a period ago, and one more, less the average."""
    period = int(params[0])
    return [less(back(values, period // 2 + 1), over(values, period, mean))]


@defines("cmou")
def cmou(context, params, values):
    def share(steps):
        way = sum(map(abs, steps))
        return 100 * sum(steps) / way if way else context.mpf(0)

    return [over(less(values, back(values, 1)), int(params[0]), share)]


@defines("fosc")
def fosc(context, params, values):
    """The value less what the line of the values before it forecast, in percent of the value."""

    def share(value, forecast):
        return 100 * (value - forecast) / value if value else context.mpf(0)

    (forecast,) = FUNCTIONS["tsf"](context, params, values)
    return [each(share, values, back(forecast, 1))]


@defines("kdj")
def kdj(context, params, high, low, close):
    kinds = [RMA if params[at] == DEFAULT else params[at] for at in (2, 4)]
    params = [params[0], params[1], kinds[0], params[3], kinds[1]]
    k, d = FUNCTIONS["stoch"](context, params, high, low, close)
    return [k, d, each(lambda k, d: 3 * k - 2 * d, k, d)]


@defines("awesome")
def awesome(context, params, high, low):
    middle = each(lambda h, l: (h + l) / 2, high, low)
    return [less(*(over(middle, int(period), mean) for period in params[:2]))]


@defines("accelerator")
def accelerator(context, params, high, low):
    (oscillator,) = awesome(context, params, high, low)
    return [less(oscillator, over(oscillator, int(params[2]), mean))]


@defines("qstick")
def qstick(context, params, opened, close):
    return [over(less(close, opened), int(params[0]), mean)]


defines("volume_oscillator")(ppo)


@defines("rvol")
def rvol(context, params, volume):
    """0 where there was no volume before, of which TA-Lib makes what its running sum has left."""

    def share(now, usual):
        return now / usual if usual else context.mpf(0)

    return [each(share, volume, back(over(volume, int(params[0]), mean), 1))]


@defines("pvt")
def pvt(context, params, close, volume):
    found = [context.mpf(0)]
    for at in range(1, len(close)):
        last = close[at - 1]
        change = (close[at] - last) / last if last else 0
        found.append(found[-1] + volume[at] * change)
    return [found]


def define_volume_index(name, counts):
    """It goes as the close does where the volume counts. A change of sign moves nothing, nor one to
    zero or from there, where TA-Lib's index goes on below zero, or stays at zero for ever."""

    def compute(context, params, close, volume):
        found = [context.mpf(1000)]
        for at in range(1, len(close)):
            moves = counts(volume[at], volume[at - 1]) and close[at] * close[at - 1] > 0
            found.append(found[-1] * close[at] / close[at - 1] if moves else found[-1])
        return [found]

    defines(name)(compute)


define_volume_index("negative_volume_index", lambda now, last: now < last)
define_volume_index("positive_volume_index", lambda now, last: now > last)


@defines("kst")
def kst(context, params, values):
    spans, periods, signal = params[:4], params[4:8], int(params[8])
    parts = [changes(context, values, int(span)) for span in spans]
    parts = [over(part, int(period), mean) for part, period in zip(parts, periods)]
    total = each(lambda a, b, c, d: a + 2 * b + 3 * c + 4 * d, *parts)
    return together(total, over(total, signal, mean))


@defines("coppock")
def coppock(context, params, values):
    period, *spans = map(int, params)
    total = each(lambda a, b: a + b, *(changes(context, values, span) for span in spans))
    empty = max(spans)
    return [[None] * empty + of_kind(context, total[empty:], period, WMA)]


@defines("relative_vigor")
def relative_vigor(context, params, opened, high, low, close):
    def weighed(window):
        return (window[0] + 2 * window[1] + 2 * window[2] + window[3]) / 6

    def share(body, span):
        return body / span if span else context.mpf(0)

    bodies = over(each(lambda o, c: c - o, opened, close), 4, weighed)
    spans = over(each(lambda h, l: h - l, high, low), 4, weighed)
    period = int(params[0])
    vigor = each(share, over(bodies, period, sum), over(spans, period, sum))
    return together(vigor, over(vigor, 4, weighed))


@defines("ease_of_movement")
def ease_of_movement(context, params, high, low, volume):
    def ease(h, l, v, h_before, l_before):
        move = (h + l) / 2 - (h_before + l_before) / 2
        return move * (h - l) * params[1] / v if v else context.mpf(0)

    eases = each(ease, high, low, volume, back(high, 1), back(low, 1))
    return [over(eases, int(params[0]), mean)]


@defines("cmf")
def cmf(context, params, high, low, close, volume):
    def flow(h, l, c, v):
        return ((c - l) - (h - c)) / (h - l) * v if h != l else context.mpf(0)

    def share(flows, volumes):
        return flows / volumes if volumes else context.mpf(0)

    period = int(params[0])
    flows = over(each(flow, high, low, close, volume), period, sum)
    return [each(share, flows, over(volume, period, sum))]


@defines("mavp")
def mavp(context, params, values, periods):
    """Of simple averages."""
    low, high, _ = map(int, params)
    if low > high:
        return None
    found = [None] * min(high - 1, len(values))
    for at in range(high - 1, len(values)):
        period = min(max(int(periods[at]), low), high)
        found.append(mean(values[at + 1 - period : at + 1]))
    return [found]


@defines("klinger")
def klinger(context, params, high, low, close, volume):
    fast, slow, signal = map(int, params)
    forces, side, total = [None], None, None
    for at in range(1, len(close)):
        now = high[at] + low[at] + close[at]
        last_side, side = side, 1 if now > high[at - 1] + low[at - 1] + close[at - 1] else -1
        span, last_span = high[at] - low[at], high[at - 1] - low[at - 1]
        total = (total if last_side == side else last_span) + span
        part = abs(span / total * 2 - 2) * 100 if total else context.mpf(0)
        forces.append(volume[at] * part * side)
    lines = ema(context, forces, fast), ema(context, forces, slow)
    difference = each(lambda f, s: f - s, *lines)
    return together(difference, ema(context, difference, signal))
