"""Bars on which indicators are compared: walks, captured trades, and what breaks sums."""

from typing import NamedTuple

import numpy

import binance

COLUMNS = ("open", "high", "low", "close", "volume")
BARS = 400
# Patterns of candles are rare: enough bars that each of them is seen.
CANDLES = 40_000
CAPTURED_MAX = 1_000
# The rarest patterns as open, high, low and close of each candle: breakaway, mat hold, concealing
# baby swallow. They are put among the others every so many candles, on either side.
RARE = (
    ((0, 0, -5, -5), (-6, -6, -8, -8), (-8, -7, -9, -8), (-8, -7, -10, -10), (-9, -5, -10, -5.5)),
    ((0, 10, 0, 10), (12, 13, 11, 11), (11, 11, 9, 9), (10, 10, 8, 8), (9, 15, 9, 15)),
    ((0, 0, -5, -5), (-4, -4, -9, -9), (-10, -8, -12, -12), (-7, -7, -13, -13)),
)
RARE_EVERY = 61


class Bars(NamedTuple):
    name: str
    columns: dict  # name to numbers, all of one length

    def series(self, names):
        """What a function with inputs of these names is given."""
        others = iter(("close", "low", "volume", "open"))
        return [self.columns[name if name in self.columns else next(others)] for name in names]


def bars(name, opened, high, low, close, volume):
    columns = dict(zip(COLUMNS, (opened, high, low, close, volume)))
    columns = {key: numpy.ascontiguousarray(column, float) for key, column in columns.items()}
    # How many bars back a function of varying period shall look.
    chance = numpy.random.default_rng(len(close))
    columns["periods"] = chance.integers(1, 40, len(close)).astype(float)
    # Seconds, some bars a day.
    columns["time"] = 1.7e9 + numpy.cumsum(chance.integers(0, 8_000, len(close))).astype(float)
    return Bars(name, columns)


def around(name, close, chance, spread=0.004):
    """Bars about closing prices: each opens near where the last closed."""
    close = numpy.asarray(close, float)
    size = numpy.abs(close)
    opened = numpy.roll(close, 1) + spread / 4 * size * chance.standard_normal(len(close))
    opened[0] = close[0]
    high = numpy.maximum(opened, close) + spread * size * chance.random(len(close))
    low = numpy.minimum(opened, close) - spread * size * chance.random(len(close))
    volume = numpy.round(chance.lognormal(6, 1.5, len(close)), 3)
    return bars(name, opened, high, low, close, volume)


def walk(chance, count=BARS, start=100.0, step=0.01):
    return start * numpy.exp(numpy.cumsum(step * chance.standard_normal(count)))


def flat(name, close, volume):
    """Bars without range: one price each."""
    close = numpy.asarray(close, float)
    return bars(name, close, close, close, close, numpy.broadcast_to(volume, close.shape))


def walks(chance):
    """What nothing is hard about."""
    return [around(f"walk {number}", walk(chance), chance) for number in range(3)]


def made(seed):
    """Everything that is not captured."""
    chance = numpy.random.default_rng(seed)
    found = walks(chance)
    found.append(around("ticks", numpy.round(walk(chance, step=0.002), 1), chance, 0.0))
    for scale in (1e-6, 1e9):
        found.append(around(f"walk at {scale:g}", walk(chance, start=scale), chance))
    # A price whose moves are its last digits.
    found.append(
        around("small moves", 1e6 + numpy.cumsum(chance.normal(0, 1e-3, BARS)), chance, 1e-9)
    )
    found.append(around("about zero", numpy.cumsum(chance.standard_normal(BARS)), chance))
    found.append(around("within one", chance.uniform(-1, 1, BARS), chance, 0.0))
    found.append(around("rising", 50 + 0.37 * numpy.arange(BARS), chance, 1e-4))
    found.append(around("falling", 500 - 0.37 * numpy.arange(BARS), chance, 1e-4))
    found.append(flat("constant", numpy.full(BARS, 100.0), 10.0))
    found.append(flat("constant tenth", numpy.full(BARS, 0.1), 0.3))
    found.append(flat("no range", walk(chance), 5.0))
    found.append(flat("no volume", walk(chance), 0.0))
    found += [interrupted(chance), halved(chance), stepped(chance), spiked(chance), rested(chance)]
    return found


def interrupted(chance):
    """Some bars without range, some without volume."""
    columns = around("", walk(chance), chance).columns
    still, idle = chance.random(BARS) < 0.3, chance.random(BARS) < 0.3
    prices = [numpy.where(still, columns["close"], columns[name]) for name in COLUMNS[:4]]
    return bars("some without range or volume", *prices, numpy.where(idle, 0.0, columns["volume"]))


def halved(chance):
    """Ranges and volume stop in the middle, and come again at the end."""
    columns = around("", walk(chance), chance).columns
    still = (numpy.arange(BARS) // (BARS // 4)) % 2 == 1
    prices = [numpy.where(still, 100.0, columns[name]) for name in COLUMNS[:4]]
    return bars("quiet spells", *prices, numpy.where(still, 0.0, columns["volume"]))


def stepped(chance):
    levels = chance.choice([1.0, 3.0, 1e3, 1e6, 0.01], BARS // 40).repeat(40)
    return around("steps", levels, chance, 0.001)


def spiked(chance):
    close = walk(chance)
    close[chance.choice(BARS, 6, replace=False)] *= numpy.array([1e6, 1e9, 1e-6, 1e3, 1e4, 1e-3])
    return around("spikes", close, chance)


def rested(chance):
    """A walk after which nothing moves: what rounding left in sums shows."""
    close = walk(chance)
    close[BARS // 2 :] = close[BARS // 2]
    columns = around("", close, chance).columns
    still = numpy.arange(BARS) > BARS // 2
    prices = [numpy.where(still, close, columns[name]) for name in COLUMNS[:4]]
    return bars("rest after a walk", *prices, columns["volume"])


def candles(seed):
    """Bars of a few ticks, with gaps between them and many prices that are equal."""
    chance = numpy.random.default_rng(seed)
    # Long and short bodies in spells, as patterns compare a candle with those before it.
    size = chance.choice([1, 2, 4, 12], CANDLES, p=[0.3, 0.3, 0.25, 0.15])
    body = numpy.round(chance.normal(0, 1, CANDLES) * size)
    gap = numpy.round(chance.normal(0, 0.7, CANDLES) * size * (chance.random(CANDLES) < 0.6))
    # Back towards the middle, so that prices stay positive.
    opened, close = numpy.empty(CANDLES), numpy.empty(CANDLES)
    last = 1_000.0
    for at in range(CANDLES):
        opened[at] = last + gap[at] - numpy.round((last - 1_000) / 100)
        close[at] = opened[at] + body[at]
        last = close[at]
    wick = lambda: (
        numpy.round(chance.exponential(1, CANDLES) * size) * (chance.random(CANDLES) < 0.6)
    )
    high, low = numpy.maximum(opened, close) + wick(), numpy.minimum(opened, close) - wick()
    prices = numpy.array([opened, high, low, close])
    for number, at in enumerate(range(RARE_EVERY, CANDLES - RARE_EVERY, RARE_EVERY)):
        plant(prices, at, RARE[number % len(RARE)], chance)
    return bars("candles of few ticks", *(prices / 4), chance.integers(0, 100, CANDLES))


def plant(prices, at, pattern, chance):
    """Puts a pattern, or its mirror image, or either with a tick changed, where these prices are."""
    side, size = chance.choice([-1, 1]), chance.choice([4, 10])
    shape = numpy.array(pattern, float).T * size * side
    if chance.random() < 0.5:
        shape[:, chance.integers(shape.shape[1])] += chance.choice([-1, 1], 4)
    shape[1:3] = shape.max(axis=0), shape.min(axis=0)
    prices[:, at : at + shape.shape[1]] = shape + prices[3, at - 1]


def captured(folder, seconds):
    """Bars of so many seconds of the trades that were captured on Binance's spot market."""
    rows = {}
    for path in sorted((folder / "binance_spot").glob("*.gz")):
        for line in binance.read_lines(path):
            if '@trade"' not in line:
                continue
            body = binance.parse(line)[1]
            price, qty = float(body["p"]), float(body["q"])
            row = rows.setdefault(body["T"] // (1_000 * seconds), [price, price, price, price, 0.0])
            row[1], row[2], row[3] = max(row[1], price), min(row[2], price), price
            row[4] += qty
    columns = numpy.array([rows[at] for at in sorted(rows)][:CAPTURED_MAX]).T
    return bars(f"captured, {seconds} s", *columns)
