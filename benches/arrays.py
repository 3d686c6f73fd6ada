#!/usr/bin/env python3
"""Six indicators over whole arrays, TA-Lib's beside ours: benches/arrays.py <the example `indicators` of tidegate-core>

Needs TA-Lib (tests/requirements.txt). Ours is the product's way, one value after another; TA-Lib is called once for the
whole array. Each round runs both, and both make the arrays of their results.
"""

import json
import subprocess
import sys
import time

import numpy
import talib

BARS = 100_000
ROUNDS = 15
SIX = [
    ("EMA 14", "ema", [14], ["close"], lambda high, low, close: [talib.EMA(close, 14)]),
    ("SMA 14", "sma", [14], ["close"], lambda high, low, close: [talib.SMA(close, 14)]),
    ("RSI 14", "rsi", [14], ["close"], lambda high, low, close: [talib.RSI(close, 14)]),
    ("MACD 12/26/9", "macd", [12, 26, 9], ["close"], lambda high, low, close: talib.MACD(close, 12, 26, 9)),
    ("Bollinger 20/2", "bbands", [20, 2, 2], ["close"], lambda high, low, close: talib.BBANDS(close, 20, 2.0, 2.0)),
    ("ATR 14", "atr", [14], ["high", "low", "close"], lambda high, low, close: [talib.ATR(high, low, close, 14)]),
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
    ours = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    bars = walk()
    bits = {name: series.astype(">f8").tobytes().hex() for name, series in bars.items()}
    times = {title: ([], []) for title, *_ in SIX}
    for round_ in range(ROUNDS + 1):
        for title, name, params, inputs, theirs in SIX:
            question = {"function": name, "params": params, "inputs": [bits[of] for of in inputs], "bits": True}
            ours.stdin.write(json.dumps(question | {"timed": True}) + "\n")
            ours.stdin.flush()
            answer = json.loads(ours.stdout.readline())
            began = time.perf_counter_ns()
            outputs = theirs(**bars)
            took = time.perf_counter_ns() - began
            for mine, other in zip(answer["last"], outputs, strict=True):
                assert abs(mine - other[-1]) <= 1e-9 * abs(other[-1]), f"{title}: {mine}, and not {other[-1]}"
            # The first round warms up.
            if round_ > 0:
                times[title][0].append(answer["ns"] / BARS)
                times[title][1].append(took / BARS)
    ours.stdin.close()
    ours.wait()
    times["all six"] = tuple(numpy.sum([pair[side] for pair in times.values()], axis=0) for side in (0, 1))
    print(f"| indicators of {BARS:,} bars | Tidegate, ns/bar | TA-Lib {talib.__ta_version__.decode().split()[0]}, ns/bar "
          f"| times ours (quartiles of {ROUNDS} rounds) |\n|---|---|---|---|")
    for title, (mine, other) in times.items():
        low, middle, high = numpy.quantile(numpy.divide(other, mine), [0.25, 0.5, 0.75])
        print(f"| {title} | {numpy.median(mine):.1f} | {numpy.median(other):.1f} "
              f"| {middle:.2f} ({low:.2f} to {high:.2f}) |")


if __name__ == "__main__":
    main()
