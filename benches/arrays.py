#!/usr/bin/env python3
"""Six indicators over whole arrays, TA-Lib's beside ours: benches/arrays.py <the example `arrays`>

Needs TA-Lib (tests/requirements.txt). Ours is the product's way, one value after another; TA-Lib is called once for the
whole array. Each round runs both, and both make the arrays of their results.
"""

import subprocess
import sys
import tempfile
import time

import numpy
import talib

BARS = 100_000
ROUNDS = 15
SIX = [
    ("EMA 14", "ema 14", lambda high, low, close: [talib.EMA(close, 14)]),
    ("SMA 14", "sma 14", lambda high, low, close: [talib.SMA(close, 14)]),
    ("RSI 14", "rsi 14", lambda high, low, close: [talib.RSI(close, 14)]),
    ("MACD 12/26/9", "macd 12 26 9", lambda high, low, close: talib.MACD(close, 12, 26, 9)),
    ("Bollinger 20/2", "bbands 20 2 2", lambda high, low, close: talib.BBANDS(close, 20, 2.0, 2.0)),
    ("ATR 14", "atr 14", lambda high, low, close: [talib.ATR(high, low, close, 14)]),
]


def walk():
    """High, low and close of bars that walk."""
    random = numpy.random.default_rng(7)
    close = 1000 * numpy.exp(numpy.cumsum(0.001 * random.standard_normal(BARS)))
    before = numpy.concatenate([[1000.0], close[:-1]])
    high = numpy.maximum(before, close) * (1 + 0.002 * random.random(BARS))
    low = numpy.minimum(before, close) * (1 - 0.002 * random.random(BARS))
    return {"high": high, "low": low, "close": close}


def main():
    bars = walk()
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(series.astype("<f8").tobytes() for series in bars.values()))
        file.flush()
        ours = subprocess.Popen([sys.argv[1], file.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        times = measure(ours, bars)
        ours.stdin.close()
        ours.wait()
    times["all six"] = tuple(numpy.sum([pair[side] for pair in times.values()], axis=0) for side in (0, 1))
    print(f"| indicators of {BARS:,} bars | Tidegate, ns/bar | TA-Lib {talib.__ta_version__.decode().split()[0]}, ns/bar "
          f"| times ours (quartiles of {ROUNDS} rounds) |\n|---|---|---|---|")
    for title, (mine, other) in times.items():
        low, middle, high = numpy.quantile(numpy.divide(other, mine), [0.25, 0.5, 0.75])
        print(f"| {title} | {numpy.median(mine):.1f} | {numpy.median(other):.1f} "
              f"| {middle:.2f} ({low:.2f} to {high:.2f}) |")


def measure(ours, bars):
    """Times of each of the six, ours and theirs, in ns a bar, round by round."""
    times = {title: ([], []) for title, *_ in SIX}
    for round_ in range(ROUNDS + 1):
        for title, question, theirs in SIX:
            ours.stdin.write(question + "\n")
            ours.stdin.flush()
            ns, *last = ours.stdout.readline().split()
            began = time.perf_counter_ns()
            outputs = theirs(**bars)
            took = time.perf_counter_ns() - began
            for mine, other in zip(map(float, last), outputs, strict=True):
                assert abs(mine - other[-1]) <= 1e-9 * abs(other[-1]), f"{title}: {mine}, and not {other[-1]}"
            # The first round warms up.
            if round_ > 0:
                times[title][0].append(int(ns) / BARS)
                times[title][1].append(took / BARS)
    return times


if __name__ == "__main__":
    main()
