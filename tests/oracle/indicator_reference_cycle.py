"""Ehlers' cycle indicators in TA-Lib's form: the Hilbert transform, what it tells, and MAMA."""

from indicator_reference import defines

SHORT, LONG = 12, 37  # bars before the transform begins, where 32 or 63 are not told


def smoothed(context, values):
    """Prices, weighted 4, 3, 2, 1."""
    found = [None] * 3
    for at in range(3, len(values)):
        now, last, before, first = values[at], values[at - 1], values[at - 2], values[at - 3]
        found.append((4 * now + 3 * last + 2 * before + first) / 10)
    return found


class Cycle:
    """The transform of a series, bar by bar; everything before the first bar is zero."""

    def __init__(self, context):
        self.context, self.zero = context, context.mpf(0)
        self.a, self.b = context.mpf(962) / 10_000, context.mpf(5769) / 10_000
        self.smooth, self.detrended, self.quadratures, self.inphases = [], [], [], []
        self.i2 = self.q2 = self.re = self.im = self.period = self.smooth_period = self.zero

    def back(self, values, count):
        return values[-1 - count] if count < len(values) else self.zero

    def hilbert(self, values):
        near, far = (self.back(values, 2), self.back(values, 4)), self.back(values, 6)
        total = self.a * (values[-1] - far) + self.b * (near[0] - near[1])
        return total * (self.period * 75 / 1000 + self.context.mpf(54) / 100)

    def push(self, price):
        part = lambda new, old: new * 2 / 10 + old * 8 / 10
        self.smooth.append(price)
        self.detrended.append(self.hilbert(self.smooth))
        self.quadratures.append(self.hilbert(self.detrended))
        self.inphases.append(self.back(self.detrended, 3))
        q1, i1 = self.quadratures[-1], self.inphases[-1]
        q2 = part(q1 + self.hilbert(self.inphases), self.q2)
        i2 = part(i1 - self.hilbert(self.quadratures), self.i2)
        self.re = part(i2 * self.i2 + q2 * self.q2, self.re)
        self.im = part(i2 * self.q2 - q2 * self.i2, self.im)
        self.i2, self.q2 = i2, q2
        self.period = part(self.measured(), self.period)
        self.smooth_period = (33 * self.period + 67 * self.smooth_period) / 100
        return i1, q1

    def measured(self):
        period, last = self.period, self.period
        if self.re and self.im:
            period = 2 * self.context.pi / self.context.atan(self.im / self.re)
        period = min(max(period, last * 67 / 100), last * 3 / 2) if self.re and self.im else last
        return min(max(period, self.context.mpf(6)), self.context.mpf(50))


def told(values, count):
    """The values from the place on at which TA-Lib tells them."""
    return [None] * min(count, len(values)) + values[count:]


def run(context, values, first):
    """Of each bar: in-phase part, quadrature, smoothed period; the smoothed prices so far."""
    cycle, rows = Cycle(context), []
    for at, price in enumerate(smoothed(context, values)):
        if at < first:
            rows.append((cycle.zero,) * 3)
        else:
            rows.append((*cycle.push(price), cycle.smooth_period))
    return rows


@defines("mama")
def mama(context, params, values):
    fast, slow = params
    average = follower = phase = context.mpf(0)
    averages, followers = [], []
    for at, (inphase, quadrature, _) in enumerate(run(context, values, SHORT)):
        if at >= SHORT:
            last = phase
            phase = (
                degrees(context, context.atan(quadrature / inphase)) if inphase else context.mpf(0)
            )
            weight = fast / max(last - phase, context.mpf(1))
            weight = weight if last - phase <= 1 else max(weight, slow)
            average = weight * values[at] + (1 - weight) * average
            follower = weight / 2 * average + (1 - weight / 2) * follower
        averages.append(average)
        followers.append(follower)
    return [told(averages, 32), told(followers, 32)]


def degrees(context, angle):
    return angle * 180 / context.pi


@defines("ht_dcperiod")
def dominant_period(context, params, values):
    return [told([period for _, _, period in run(context, values, SHORT)], 32)]


@defines("ht_phasor")
def phasor(context, params, values):
    inphase, quadrature, _ = map(list, zip(*run(context, values, SHORT)))
    return [told(inphase, 32), told(quadrature, 32)]


def phases(context, values):
    """Degrees; and how many bars the cycle is, rounded."""
    smooth, phase, found, turns = smoothed(context, values), context.mpf(0), [], {}
    for at, (_, _, period) in enumerate(run(context, values, LONG)):
        count = int(period + context.mpf(1) / 2)
        if at >= LONG:
            real = imaginary = context.mpf(0)
            if count not in turns:
                angles = [2 * context.pi * age / count for age in range(count)]
                turns[count] = [(context.sin(angle), context.cos(angle)) for angle in angles]
            for age, (sine_part, cosine_part) in enumerate(turns[count]):
                price = smooth[at - age] if at - age >= LONG else context.mpf(0)
                real += sine_part * price
                imaginary += cosine_part * price
            phase = turned(context, phase, real, imaginary) + 90 + 360 / period
            if imaginary < 0:
                phase += 180
            if phase > 315:
                phase -= 360
        found.append((phase, count))
    return found


def turned(context, phase, real, imaginary):
    if imaginary:
        return degrees(context, context.atan(real / imaginary))
    return phase + (90 if real > 0 else -90 if real < 0 else 0)


@defines("ht_dcphase")
def dominant_phase(context, params, values):
    return [told([phase for phase, _ in phases(context, values)], 63)]


@defines("ht_sine")
def sine(context, params, values):
    angles = [phase * context.pi / 180 for phase, _ in phases(context, values)]
    lead = [context.sin(angle + context.pi / 4) for angle in angles]
    return [told([context.sin(angle) for angle in angles], 63), told(lead, 63)]


@defines("ht_trendline")
def trendline(context, params, values):
    means, found = [context.mpf(0)] * 3, []
    for at, (_, count) in enumerate(phases(context, values)):
        if at >= LONG:
            window = values[at + 1 - count : at + 1]
            means.append(sum(window) / count if count else context.mpf(0))
        now, last, before, first = means[-1], *([*means[-4:-1]][::-1] if at >= LONG else means[:3])
        found.append((4 * now + 3 * last + 2 * before + first) / 10)
    return [told(found, 63)]
