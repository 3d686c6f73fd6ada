"""Every function of the catalogue of indicators against TA-Lib, or against a definition of our own.

Functions are run by `engine/core/examples/indicators.rs` on made and captured bars. The peer is
TA-Lib where it has the function, else `indicator_reference.py` in floating point. Where the two
differ by more than the limit, the reference in 50 digits is the judge. What is compared, and how,
is said in `AGREEMENT.md`, which `--write` makes and every other run checks.

    python indicators.py --indicators BIN [--captures DIR] [--seed S] [--jobs J] [--only NAMES]
                         [--write | --perturb 1e-6]

With `--perturb` our outputs are multiplied by one and a little noise, and every function that is
compared must be found to differ.
"""

import argparse
import collections
import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
from typing import NamedTuple

# Nothing is written outside the temporary directory, not even the import's bytecode.
sys.dont_write_bytecode = True

import mpmath
import numpy

import indicator_bars
import indicator_reference
import indicator_reference_bars
import indicator_reference_talib
import indicator_table
import indicator_talib

LIMIT = 1e-9
# Outputs smaller than this part of the usual one are measured against that part.
SMALL = 1e-3
# The same of the greatest inputs that an output is made of, where it has their unit.
ROUNDING = 1e-5
# What stands for them where an output has no unit, as a percentage has none.
RATIO = 100.0
DIGITS = 50
TALIB, REFERENCE = "TA-Lib", "reference"
HOLES = 0.1  # share of the bars that a test of holes makes bad
# What the inputs are that are no prices.
KINDS = {"volume": "volume", "periods": "count", "time": "time"}
# Made of the volumes of all bars so far.
ACCUMULATED = {"adosc"}
MAMA_TYPE = 7
# How much inputs are shaken to see whether the peer itself knows an output, and how often.
SHAKEN, SHAKES = 1e-14, 3
CHOICES_MAX = 20  # a whole parameter from 0 to no more than this is a choice, not a period
SHOWN_PER_FUNCTION = 3


class Refused(Exception):
    """Parameters that the engine does not take, or nobody else."""


class Engine:
    """The program that runs functions of the catalogue, kept open."""

    def __init__(self, path):
        self.process = subprocess.Popen(
            [path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="ascii"
        )

    def run(self, function, params, series):
        """Warm-up, inputs skipped, and the outputs; not a number where there is none."""
        question = {"function": function["function"], "params": params, "bits": True}
        question["inputs"] = [numpy.asarray(one, ">f8").tobytes().hex() for one in series]
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise Refused(answer["error"])
        bits = (numpy.frombuffer(bytes.fromhex(text), ">f8") for text in answer["outputs"])
        return answer["warmup"], answer["skipped"], [one.astype(float) for one in bits]


class Difference(NamedTuple):
    size: float
    bars: str
    params: list
    output: str
    at: int
    ours: float
    theirs: float
    peer: str

    def describe(self):
        return (
            f"{self.params} on {self.bars}, {self.output} at {self.at}: ours {self.ours!r}, "
            f"{self.peer} {self.theirs!r}, difference {self.size:.2e}"
        )


class Verdict:
    """What was found of one function."""

    def __init__(self, function):
        self.name, self.source = function["function"], function["source"]
        self.warmup = None  # with the default parameters
        self.peers, self.refused = collections.Counter(), collections.Counter()
        self.cases = self.values = self.unsettled = self.beyond = 0
        # Greatest difference from the peer, or from the reference where that judged.
        self.greatest = 0.0
        # Values in which ours was nearer to the reference, and how far off the peer was there.
        self.judged, self.peer_off = 0, 0.0
        self.holes = self.whole = self.torn = 0
        self.problems = []


def measure(ours, theirs, unit):
    """How far each of our values is from theirs; infinite where only one has a value.

    `unit` is what rounding of the inputs is measured by, at each place, or zero."""
    ours_there, there = numpy.isfinite(ours), numpy.isfinite(theirs)
    both = ours_there & there
    size = numpy.abs(theirs)
    moving = size[both & (size > 0)]
    usual = numpy.median(moving) if len(moving) else 0.0
    with numpy.errstate(all="ignore"):
        distance = numpy.abs(ours - theirs)
        found = distance / numpy.maximum(size, numpy.maximum(SMALL * usual, ROUNDING * unit))
    found = numpy.where(distance == 0, 0.0, found)
    return numpy.where(both, found, numpy.where(ours_there == there, 0.0, numpy.inf))


def greatest(series, count):
    """The greatest size among the last `count` rows of some series, at each row."""
    size = numpy.abs(series).max(axis=0)
    padded = numpy.concatenate([numpy.zeros(count - 1), size])
    return numpy.lib.stride_tricks.sliding_window_view(padded, count).max(axis=1)


def growth(plain, doubled):
    """The power of two that all of one series are of the other; None where there is no one power."""
    there = numpy.isfinite(plain) & (plain != 0) & numpy.isfinite(doubled)
    powers = numpy.unique(numpy.log2(numpy.abs(doubled[there] / plain[there])).round(6))
    return int(powers[0]) if len(powers) == 1 and float(powers[0]).is_integer() else None


def settings(function):
    """The defaults, the smallest, a middling setting, and each parameter alone at its ends."""
    params = function["params"]
    defaults = [param["default"] for param in params]
    found = [defaults, [param["range"][0] for param in params]]
    found.append([fitted(param, 1.6 * param["default"]) for param in params])
    for at, param in enumerate(params):
        low, high = param["range"]
        is_choice = param["is_whole"] and low == 0 and high <= CHOICES_MAX
        others = range(int(high) + 1) if is_choice else (low, fitted(param, 3 * param["default"]))
        for other in others:
            found.append(defaults[:at] + [float(other)] + defaults[at + 1 :])
    return [list(one) for one in dict.fromkeys(map(tuple, found))]


def fitted(param, value):
    low, high = param["range"]
    value = min(max(value, low), high)
    return float(round(value)) if param["is_whole"] else value


def defined(context, name, params, series):
    """The outputs by definition, in floating point (`mpmath.fp`) or exactly (`mpmath.mp`); None
    where it is not defined for these parameters."""
    rows = [[context.mpf(float(value)) for value in one] for one in series]
    if name not in indicator_reference.FUNCTIONS:
        return None
    outputs = indicator_reference.FUNCTIONS[name](context, params, *rows)
    return outputs and [
        numpy.array([numpy.nan if value is None else float(value) for value in output])
        for output in outputs
    ]


def peer_of(function, params, series):
    """Who else computes it, with what lookback where that is told apart, and its outputs."""
    name, refused = function["function"], "no definition"
    if indicator_talib.has(name):
        try:
            return TALIB, *indicator_talib.run(function, params, series)
        except indicator_talib.Refused as error:
            refused = str(error)
    outputs = defined(mpmath.fp, name, params, series)
    if outputs is None:
        raise Refused(refused)
    there = [numpy.flatnonzero(numpy.isfinite(output)) for output in outputs]
    first = min((places[0] for places in there if len(places)), default=None)
    return REFERENCE, first, outputs


class Comparison:
    """One function, compared with its peer on all bars."""

    def __init__(self, function, engine, noise):
        self.function, self.engine, self.noise = function, engine, noise
        self.name = function["function"]
        # A pattern is there or it is not.
        self.limit = 0.0 if self.name.startswith("cdl") else LIMIT
        self.verdict = Verdict(function)
        self.kinds = [KINDS.get(name, "price") for name in function["inputs"]]
        self.degrees = [None] * len(function["outputs"])

    def learn_degrees(self, bars):
        """By which powers of price and of volume each output grows: what unit it has."""
        params = settings(self.function)[0]
        series = bars.series(self.function["inputs"])
        _, _, plain = self.engine.run(self.function, params, series)
        found = []
        for kind in ("price", "volume"):
            doubled = [one * (2 if mine == kind else 1) for one, mine in zip(series, self.kinds)]
            _, _, outputs = self.engine.run(self.function, params, doubled)
            found.append([growth(*pair) for pair in zip(plain, outputs)])
        self.degrees = list(zip(*found))

    def units(self, series, warmup):
        """For each output, the greatest input of its window to the power of its unit."""
        count, units = min(warmup + 1, len(series[0])), []
        sizes = {}
        for kind in set(self.kinds):
            ours = [one for one, mine in zip(series, self.kinds) if mine == kind]
            sizes[kind] = greatest(ours, count)
            if kind == "volume" and self.name in ACCUMULATED:
                sizes[kind] = numpy.abs(ours).max(axis=0).cumsum()
        for degrees in self.degrees:
            unit = numpy.full(len(series[0]), RATIO)
            if degrees and None not in degrees and any(degrees) and min(degrees) >= 0:
                unit = 1.0
                for kind, degree in zip(("price", "volume"), degrees):
                    unit = unit * sizes[kind] ** degree if degree else unit
            units.append(unit)
        return units

    def run(self, made):
        self.learn_degrees(made[0])
        for params in settings(self.function):
            for bars in made:
                try:
                    self.case(params, bars)
                except Refused as error:
                    self.verdict.refused[str(error)] += 1
                    break
        return self.verdict

    def case(self, params, bars):
        series, verdict = bars.series(self.function["inputs"]), self.verdict
        warmup, skipped, ours = self.engine.run(self.function, params, series)
        if verdict.warmup is None:
            verdict.warmup = warmup  # of the first setting, the defaults
        if self.noise:
            # Seeded alike for every case: it is the same noise on every run.
            noise = numpy.random.default_rng(len(ours)).uniform(-1, 1, len(series[0]))
            ours = [output * (1 + self.noise * noise) for output in ours]
        peer, lookback, theirs = peer_of(self.function, params, series)
        verdict.peers[peer] += 1
        verdict.cases += 1
        about = (bars.name, params)
        if skipped:
            verdict.problems.append(Difference(numpy.inf, *about, "skipped", 0, skipped, 0, peer))
        if lookback is not None and warmup != lookback and warmup < len(series[0]):
            found = Difference(numpy.inf, *about, "warm-up", 0, warmup, lookback, peer)
            verdict.problems.append(found)
        if len(ours) != len(theirs):
            found = Difference(numpy.inf, *about, "outputs", 0, len(ours), len(theirs), peer)
            verdict.problems.append(found)
        truth, units = None, self.units(series, warmup)
        unsettled = self.unsettled(params, series, theirs, units) if self.hangs_on_noise(params) else None
        for at, (mine, other) in enumerate(zip(ours, theirs)):
            sizes = measure(mine, other, units[at])
            verdict.values += int(numpy.isfinite(mine).sum())
            if (sizes > self.limit).any():
                truth = truth or self.truth(params, series)
            if truth:
                sizes = self.judged(mine, other, truth[at], sizes, units[at])
            if unsettled is not None:
                verdict.unsettled += int((unsettled[at] & (sizes > self.limit)).sum())
                sizes = numpy.where(unsettled[at], 0.0, sizes)
            self.count(about, at, peer, mine, other, sizes)

    def hangs_on_noise(self, params):
        """Whether it follows the phase of a cycle, which is that of rounding where there is none."""
        names = [param["name"] for param in self.function["params"]]
        kinds = [value for name, value in zip(names, params) if name.endswith("ma_type")]
        return self.name == "mama" or self.name.startswith("ht_") or MAMA_TYPE in kinds

    def unsettled(self, params, series, theirs, units):
        """Where the peer gives something else as soon as the inputs are shaken a little."""
        found = [numpy.zeros(len(series[0]), bool) for _ in theirs]
        chance = numpy.random.default_rng(len(series[0]))
        for _ in range(SHAKES):
            shaken = [one * (1 + SHAKEN * chance.uniform(-1, 1, len(one))) for one in series]
            _, _, others = peer_of(self.function, params, shaken)
            for at, (other, plain) in enumerate(zip(others, theirs)):
                found[at] |= measure(other, plain, units[at]) > LIMIT
        return found

    def truth(self, params, series):
        with mpmath.workdps(DIGITS):
            return defined(mpmath.mp, self.name, params, series)

    def judged(self, mine, other, truth, sizes, unit):
        """The differences, from the truth wherever our value is the nearer to it."""
        ours, theirs = measure(mine, truth, unit), measure(other, truth, unit)
        nearer = (sizes > self.limit) & (ours <= self.limit) & (ours < theirs)
        self.verdict.judged += int(nearer.sum())
        self.verdict.peer_off = max(self.verdict.peer_off, theirs[nearer].max(initial=0.0))
        return numpy.where(nearer, ours, sizes)

    def count(self, about, at, peer, mine, other, sizes):
        worst = int(sizes.argmax())
        self.verdict.greatest = max(self.verdict.greatest, sizes[worst])
        beyond = int((sizes > self.limit).sum())
        self.verdict.beyond += beyond
        if beyond:
            output = self.function["outputs"][at]
            values = (float(mine[worst]), float(other[worst]))
            found = Difference(sizes[worst], *about, output, worst, *values, peer)
            self.verdict.problems.append(found)

    def holes(self, bars, seed):
        """What is not finite, or too great, is as if it had not been there."""
        chance = numpy.random.default_rng(seed)
        series = numpy.array(bars.series(self.function["inputs"]))
        holes = numpy.flatnonzero(chance.random(series.shape[1]) < HOLES)
        torn = series.copy()
        bad = chance.choice([numpy.nan, numpy.inf, -numpy.inf, 1e101], len(holes))
        torn[chance.integers(0, len(series), len(holes)), holes] = bad
        whole = numpy.delete(series, holes, axis=1)
        for params in settings(self.function)[:2]:
            try:
                _, _, expected = self.engine.run(self.function, params, whole)
                _, skipped, outputs = self.engine.run(self.function, params, torn)
            except Refused:
                continue
            self.verdict.holes += len(holes)
            self.verdict.whole += 1
            for name, mine, plain in zip(self.function["outputs"], outputs, expected):
                good = numpy.delete(mine, holes)
                same = numpy.array_equal(good, plain, equal_nan=True)
                if not same or numpy.isfinite(mine[holes]).any() or skipped != len(holes):
                    about = ("bars with holes", params, name, 0, skipped, len(holes))
                    self.verdict.problems.append(Difference(numpy.inf, *about, "no holes"))
                    self.verdict.torn += 1


def share(*everything):
    global SHARED
    SHARED = everything


def worker(function):
    path, made, candles, seed, noise = SHARED
    engine = Engine(path)
    comparison = Comparison(function, engine, noise)
    name = function["function"]
    if indicator_talib.has(name) or name in indicator_reference.FUNCTIONS:
        comparison.run([*made, candles] if name.startswith("cdl") else made)
    comparison.holes(made[0], seed)
    engine.process.stdin.close()
    engine.process.wait()
    return comparison.verdict


def all_bars(options):
    made = indicator_bars.made(options.seed)
    if options.captures:
        made += [indicator_bars.captured(options.captures, seconds) for seconds in (1, 10)]
    return made


def run_all(functions, made, options):
    candles = indicator_bars.candles(options.seed)
    # Forked workers inherit the bars; nothing but the function and its verdict travels.
    fork = multiprocessing.get_context("fork")
    shared = (options.indicators, made, candles, options.seed, options.perturb)
    with fork.Pool(options.jobs, initializer=share, initargs=shared) as pool:
        yield from pool.imap(worker, functions, chunksize=1)


def report(verdicts):
    """Print the counts, each with its N; true when nothing is beyond the limit."""
    compared = [verdict for verdict in verdicts if verdict.cases]
    left = [verdict.name for verdict in verdicts if not verdict.cases]
    for verdict in verdicts:
        shown = sorted(verdict.problems, key=lambda one: -one.size)[:SHOWN_PER_FUNCTION]
        for difference in shown:
            print(f"{verdict.name}{difference.describe()}")
        if len(verdict.problems) > len(shown):
            print(f"{verdict.name}: and {len(verdict.problems) - len(shown)} more")
    values = sum(verdict.values for verdict in compared)
    cases = sum(verdict.cases for verdict in compared)
    beyond = sum(verdict.beyond for verdict in compared)
    judged = sum(verdict.judged for verdict in compared)
    holes = sum(verdict.holes for verdict in verdicts)
    failed = [verdict.name for verdict in verdicts if verdict.problems]
    print(f"compared {len(compared)} of N={len(verdicts)} functions in N={cases:,} cases")
    print(f"not compared {len(left)} of N={len(verdicts)} functions: {', '.join(left) or 'none'}")
    print(f"beyond the limit {beyond:,} of N={values:,} values")
    print(f"ours nearer to {DIGITS} digits than the peer {judged:,} of N={values:,} values")
    torn = sum(verdict.torn for verdict in verdicts)
    unsettled = sum(verdict.unsettled for verdict in compared)
    print(f"differences where the peer hangs on rounding {unsettled:,} of N={values:,} values")
    print(f"settings that holes change {torn} of N={sum(v.whole for v in verdicts):,}, {holes:,} holes")
    print(f"functions that differ {len(failed)} of N={len(verdicts)}: {', '.join(failed) or 'none'}")
    return not failed


def report_perturbed(verdicts, noise):
    compared = [verdict for verdict in verdicts if verdict.cases]
    blind = [verdict.name for verdict in compared if not verdict.beyond]
    noticed = len(compared) - len(blind)
    print(f"outputs off by up to {noise:g}: noticed {noticed} of N={len(compared)} functions")
    print(f"blind for {len(blind)} of N={len(compared)}: {', '.join(blind) or 'none'}")
    return not blind and compared


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--indicators", type=pathlib.Path, required=True)
    parser.add_argument("--captures", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=20240808)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", nargs="+", help="these functions alone")
    parser.add_argument("--write", action="store_true", help="make AGREEMENT.md anew")
    parser.add_argument("--perturb", type=float, default=0.0)
    options = parser.parse_args()
    listed = subprocess.run([options.indicators, "--list"], capture_output=True, check=True)
    functions = [json.loads(line) for line in listed.stdout.splitlines()]
    names = [function["function"] for function in functions]
    strangers = set(indicator_reference.FUNCTIONS) - set(names)
    if options.only:
        functions = [one for one in functions if one["function"] in options.only]
    made = all_bars(options)
    verdicts = list(run_all(functions, made, options))
    if options.perturb:
        sys.exit(0 if report_perturbed(verdicts, options.perturb) else 1)
    good = report(verdicts)
    print(f"references without a function {len(strangers)}: {', '.join(sorted(strangers)) or 'none'}")
    if options.write:
        figures = {"limit": LIMIT, "small": SMALL, "rounding": ROUNDING, "ratio": RATIO, "digits": DIGITS}
        indicator_table.write(verdicts, bars=len(made), **figures)
    elif not options.only:
        good = indicator_table.check(names) and good
    sys.exit(0 if good and verdicts else 1)


if __name__ == "__main__":
    main()
