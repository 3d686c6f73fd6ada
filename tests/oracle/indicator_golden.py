"""Golden outputs of every function of the catalogue, for `engine/core/src/indicator/golden_tests.rs`.

Outputs are TA-Lib's where it has the function, else those of `indicator_reference.py`, in 50 digits
where floating point differs by more than the limit; ours are looked at only to leave out a place
that neither knows, and to say how many there were. Written are the bars, a made walk with spells
without range or volume, bars of few and equal ticks about zero, candles of few ticks on which each
pattern is seen on either side, and a few outputs with each of several settings.

    python indicator_golden.py --indicators BIN
"""

import argparse
import json
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True

import numpy

import indicator_bars
import indicator_talib
from indicator_comparison import Case, Comparison, Engine, Refused, measure, settings

FOLDER = pathlib.Path(__file__).parents[2] / "engine/core/src/indicator/golden"
SEED = 20240808
# Outputs of each setting: the first two, one amid the spells, and the last.
AMID = 215
LIMIT = 1e-10
# Bars of each spell among the edges, how many settings are tried on them, and how far apart outputs are.
SPELL, EDGE_SETTINGS, EDGE_STEP = 30, 3, 17
# How many candles stand before and behind one with a pattern, and how often each pattern is wanted.
BEFORE, BEHIND, WANTED = 14, 2, 4


def walk():
    """A walk in ticks, in which for a while there is no range, no volume, or no move."""
    chance = numpy.random.default_rng(SEED)
    made = indicator_bars.around("golden", indicator_bars.walk(chance), chance, 0.01)
    columns = {name: numpy.round(column, 2) for name, column in made.columns.items()}
    columns["volume"] = numpy.round(columns["volume"])
    columns["volume"][chance.random(len(columns["volume"])) < 0.05] = 0.0
    still = chance.random(len(columns["close"])) < 0.08
    still[200:212] = True
    for name in ("open", "high", "low"):
        columns[name][still] = columns["close"][still]
    for name in indicator_bars.COLUMNS[:4]:
        columns[name][204:212] = columns["close"][204]
    return indicator_bars.Bars("golden", columns)


def edges():
    """Where quotients have no divisor and comparisons are of equals: constant, without range, without
    volume, at zero, and rising and falling without a turn."""
    chance = numpy.random.default_rng(SEED)
    steps = lambda: chance.integers(-1, 2, SPELL)
    level = numpy.zeros(SPELL)
    closes = [5 + numpy.cumsum(steps()) / 2, level + 3, 4 + numpy.cumsum(steps()), 6 + numpy.cumsum(steps())]
    closes += [numpy.clip(numpy.cumsum(steps()), -2, 2), 1 + numpy.arange(SPELL), 31 - numpy.arange(SPELL)]
    close = numpy.concatenate(closes).astype(float)
    count = len(close)
    opened = numpy.roll(close, 1)
    high = numpy.maximum(opened, close) + chance.integers(0, 2, count) / 2
    low = numpy.minimum(opened, close) - chance.integers(0, 2, count) / 2
    volume = chance.integers(0, 4, count).astype(float)
    volume[2 * SPELL : 3 * SPELL] = 0.0
    for column in (opened, high, low):
        column[SPELL : 2 * SPELL] = 3.0
        column[3 * SPELL : 4 * SPELL] = close[3 * SPELL : 4 * SPELL]
    return indicator_bars.bars("golden edges", opened, high, low, close, volume)


def candles(functions):
    """Spells of candles in which every pattern is seen, if it can be, a few times on either side."""
    whole = indicator_bars.candles(SEED)
    seen = {}
    for function in functions:
        outputs = indicator_talib.run(function, [p["default"] for p in function["params"]],
                                      whole.series(function["inputs"]))[1][0]
        for sign in (-1, 1):
            seen[function["function"], sign] = numpy.flatnonzero(numpy.sign(outputs) == sign)
    kept = numpy.zeros(len(whole.columns["close"]), bool)
    # The rarest first: the others are mostly seen beside them.
    for places in sorted((places for places in seen.values() if len(places)), key=len):
        for at in places[BEFORE < places]:
            if kept[places].sum() >= WANTED:
                break
            kept[at - BEFORE : at + BEHIND] = True
    columns = {name: whole.columns[name][kept] for name in indicator_bars.COLUMNS}
    return indicator_bars.Bars("golden candles", columns)


def write_bars(name, bars):
    columns = list(bars.columns)
    rows = numpy.array([bars.columns[column] for column in columns]).T
    lines = [",".join(columns)] + [",".join(f"{value:.12g}" for value in row) for row in rows]
    (FOLDER / name).write_text("\n".join(lines) + "\n")


def rows_of(function, engine, bars, counts, are_edges=False):
    """A line for each output with each setting."""
    comparison = Comparison(function, engine, 0.0)
    comparison.learn_degrees(bars)
    for params in settings(function)[: EDGE_SETTINGS if are_edges else None]:
        try:
            case = Case(comparison, params, bars)
        except Refused:
            continue
        numbers = " ".join(f"{param:g}" for param in params)
        for at, (name, theirs) in enumerate(zip(function["outputs"], case.theirs)):
            ours = case.ours[at]
            there = numpy.flatnonzero(numpy.isfinite(theirs))
            if comparison.name.startswith("cdl"):
                chosen = there[theirs[there] != 0]
                first = f"{there[0]}"
            else:
                if not len(there):
                    continue
                first = f"{there[0]}"
                chosen = {there[0], there[min(1, len(there) - 1)], max(AMID, there[0]), there[-1]}
                if are_edges:
                    chosen = {there[0], *there[there % EDGE_STEP == 0], there[-1]}
                if len(set(theirs[there])) == 2:
                    # Yes or no: wherever it turns, and the place before.
                    turns = there[1:][numpy.diff(theirs[there]) != 0]
                    chosen |= {*turns, *(turns - 1)}
                chosen = sorted(chosen)
                sizes = measure(ours, theirs, case.units[at])
                if (sizes[chosen] > LIMIT).any() and case.truth is not None:
                    theirs = case.truth[at]
                    sizes = measure(ours, theirs, case.units[at])
                counts["left out"] += int((sizes[chosen] > LIMIT).sum())
                chosen = [place for place in chosen if sizes[place] <= LIMIT]
            counts["outputs"] += len(chosen)
            # No more digits than are needed to tell a difference.
            values = " ".join(f"{place}:{float(theirs[place]) + 0.0:.13g}" for place in chosen)
            yield f"{comparison.name}|{numbers}|{name}|{first}|{values}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--indicators", type=pathlib.Path, required=True)
    options = parser.parse_args()
    catalogue = subprocess.run([options.indicators, "--list"], capture_output=True, check=True)
    functions = [json.loads(line) for line in catalogue.stdout.splitlines()]
    engine = Engine(options.indicators)
    patterns = [one for one in functions if one["function"].startswith("cdl")]
    plain, ticks, hard = walk(), candles(patterns), edges()
    for name, bars in (("bars", plain), ("candles", ticks), ("edges", hard)):
        write_bars(f"{name}.csv", bars)
    counts, lines, more, without = {"outputs": 0, "left out": 0}, [], [], []
    for function in functions:
        bars = ticks if function in patterns else plain
        found = []
        if Comparison(function, engine, 0.0).has_peer():
            found = list(rows_of(function, engine, bars, counts))
            if function not in patterns:
                more += rows_of(function, engine, hard, counts, are_edges=True)
        if not found:
            without.append(function["function"])
        lines += found
    (FOLDER / "outputs.txt").write_text("\n".join(lines) + "\n")
    (FOLDER / "edge_outputs.txt").write_text("\n".join(more) + "\n")
    print(f"{len(functions) - len(without)} of {len(functions)} functions,", end=" ")
    print(f"{len(lines) + len(more)} rows,", end=" ")
    print(f"{counts['outputs']} outputs, {counts['left out']} left out; without: {without}")


if __name__ == "__main__":
    main()
