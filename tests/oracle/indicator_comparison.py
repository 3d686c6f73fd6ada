"""How one function of the catalogue is compared with its peer, and who judges between them."""

import collections
import functools
import json
import subprocess
from typing import NamedTuple

import mpmath
import numpy

import indicator_reference
import indicator_reference_average
import indicator_reference_bars
import indicator_reference_cycle
import indicator_reference_flow
import indicator_reference_talib
import indicator_reference_volatility
import indicator_talib

# Each puts its definitions into the table of them as it is imported.
FAMILIES = (
    indicator_reference_average,
    indicator_reference_bars,
    indicator_reference_cycle,
    indicator_reference_flow,
    indicator_reference_talib,
    indicator_reference_volatility,
)
# The greatest difference between ours and the peer that is none.
LIMIT = 1e-9
# Outputs smaller than this part of the usual one are measured against that part.
SMALL = 1e-3
# The same of the greatest inputs that an output is made of, where it has their unit.
ROUNDING = 1e-5
# What stands for them where an output has no unit, as a percentage has none.
RATIO = 100.0
DIGITS = 50
# How well a definition must agree with TA-Lib on a plain walk to be the judge of it.
DEFINITION = 1e-6
TALIB, REFERENCE = "TA-Lib", "reference"
HOLES = 0.1  # share of the bars that a test of holes makes bad
# What the inputs are that are no prices.
KINDS = {"volume": "volume", "periods": "count", "time": "time"}
# Made of the volumes of all bars so far.
ACCUMULATED = {"adosc"}
KAMA_TYPE, MAMA_TYPE = 6, 7
NOISY = {"mama", "stochrsi"}
# How much inputs are shaken to see whether the peer itself knows an output, and how often.
SHAKEN, SHAKES = (1e-14, 1e-13, 1e-12, 1e-11), 12
# The same to see how well inputs that are rounded determine an output, and how far that may reach.
ROUNDED, ROUNDINGS, NEIGHBOURS, DECISION = 2.0**-52, 2, 10, 1e-3
PERTURBED = 2  # settings that are tried with noise
CHOICES_MAX = 20  # a whole parameter from 0 to no more than this is a choice, not a period


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
        self.outputs = function["outputs"]
        self.warmup = None  # with the default parameters
        self.peers, self.refused = collections.Counter(), collections.Counter()
        self.cases = self.values = self.unsettled = self.beyond = 0
        # Greatest difference from the peer, or from the reference where that judged.
        self.greatest = 0.0
        # Values in which ours was nearer to the reference, and how far off the peer was there.
        self.judged, self.peer_off = 0, 0.0
        # Values that inputs do not determine any better.
        self.doubtful = self.definitions = 0
        self.holes = self.whole = self.torn = 0
        self.problems = []
        self.seconds = 0.0


def measure(ours, theirs, unit):
    """How far each of our values is from theirs; infinite where only one has a value.

    `unit` is what rounding of the inputs is measured by, at each place, or zero."""
    ours_there, there = numpy.isfinite(ours), numpy.isfinite(theirs)
    both = ours_there & there
    size = numpy.abs(theirs)
    usual = usual_size(theirs[both])
    with numpy.errstate(all="ignore"):
        distance = numpy.abs(ours - theirs)
        found = distance / numpy.maximum(size, numpy.maximum(SMALL * usual, ROUNDING * unit))
    found = numpy.where(distance == 0, 0.0, found)
    return numpy.where(both, found, numpy.where(ours_there == there, 0.0, numpy.inf))


def usual_size(values):
    """The median of the sizes that are not zero."""
    size = numpy.abs(values[numpy.isfinite(values) & (values != 0)])
    return numpy.median(size) if len(size) else 0.0


def about(values):
    """The greatest among the values near each place."""
    return greatest([greatest([values], NEIGHBOURS)[::-1]], NEIGHBOURS)[::-1]


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
    try:
        outputs = indicator_reference.FUNCTIONS[name](context, params, *rows)
    except (TypeError, ValueError, IndexError) as error:
        raise RuntimeError(f"the definition of {name} does not take {params}") from error
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
        self.degrees = []

    def run(self, made):
        self.learn_degrees(made[0])
        # Noise shows anywhere, and makes every case one for the judge.
        chosen = settings(self.function)[: PERTURBED if self.noise else None]
        for params in chosen:
            try:
                for bars in made:
                    case = Case(self, params, bars)
                    case.compare()
                    if bars is made[0] and not self.hangs_on_noise(params):
                        case.compare_definition()
            except Refused as error:
                self.verdict.refused[str(error)] += 1

    def has_peer(self):
        return indicator_talib.has(self.name) or self.name in indicator_reference.FUNCTIONS

    def outputs(self, params, series):
        return self.engine.run(self.function, params, series)[2]

    def learn_degrees(self, bars):
        """By which powers of price and of volume each output grows: what unit it has."""
        params = settings(self.function)[0]
        series, found = bars.series(self.function["inputs"]), []
        plain = self.outputs(params, series)
        for kind in ("price", "volume"):
            doubled = [one * (2 if mine == kind else 1) for one, mine in zip(series, self.kinds)]
            found.append(map(growth, plain, self.outputs(params, doubled)))
        self.degrees = list(zip(*found))

    def units(self, series, warmup):
        """For each output, the greatest input of its window to the power of its unit."""
        sizes = {}
        for kind in set(self.kinds):
            ours = [one for one, mine in zip(series, self.kinds) if mine == kind]
            sizes[kind] = greatest(ours, min(warmup + 1, len(series[0])))
            if kind == "volume" and self.name in ACCUMULATED:
                sizes[kind] = numpy.abs(ours).max(axis=0).cumsum()
        units = []
        for degrees in self.degrees:
            unit = numpy.full(len(series[0]), RATIO)
            if None not in degrees and any(degrees) and min(degrees) >= 0:
                unit = 1.0
                for kind, degree in zip(("price", "volume"), degrees):
                    unit = unit * sizes[kind] ** degree if degree else unit
            units.append(unit)
        return units

    def hangs_on_noise(self, params):
        """Whether it follows the phase of a cycle, which is that of rounding where there is none, or
        tells the place in a range that may be one of nothing but rounding."""
        names = [param["name"] for param in self.function["params"]]
        kinds = {value for name, value in zip(names, params) if name.endswith("ma_type")}
        if self.name.startswith("stoch") and KAMA_TYPE in kinds:
            return True
        return self.name in NOISY or self.name.startswith("ht_") or MAMA_TYPE in kinds

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


class Case:
    """One function with some parameters on some bars."""

    def __init__(self, comparison, params, bars):
        self.comparison, self.verdict = comparison, comparison.verdict
        self.function, self.name, self.limit = (
            comparison.function,
            comparison.name,
            comparison.limit,
        )
        self.params, self.bars = params, bars.name
        self.series = bars.series(self.function["inputs"])
        answer = comparison.engine.run(self.function, params, self.series)
        self.warmup, self.skipped, self.plain = answer
        if self.verdict.warmup is None:
            self.verdict.warmup = self.warmup  # of the first setting, the defaults
        # Seeded alike for every case: it is the same noise on every run.
        count = len(self.series[0])
        noise = numpy.random.default_rng(count).uniform(-1, 1, count)
        self.ours = [output * (1 + comparison.noise * noise) for output in self.plain]
        self.peer, self.lookback, self.theirs = peer_of(self.function, params, self.series)
        self.units = comparison.units(self.series, self.warmup)

    def compare(self):
        self.verdict.peers[self.peer] += 1
        self.verdict.cases += 1
        counts = [("skipped", self.skipped, 0), ("outputs", len(self.ours), len(self.theirs))]
        if self.lookback is not None and self.warmup < len(self.series[0]):
            counts.append(("warm-up", self.warmup, self.lookback))
        for what, ours, theirs in counts:
            if ours != theirs:
                self.differs(numpy.inf, what, 0, ours, theirs)
        for at, (mine, other) in enumerate(zip(self.ours, self.theirs)):
            sizes = measure(mine, other, self.units[at])
            self.verdict.values += int(numpy.isfinite(mine).sum())
            if (sizes > self.limit).any():
                sizes = self.judged(at, mine, other, sizes)
            if (sizes > self.limit).any() and self.comparison.hangs_on_noise(self.params):
                sizes = self.settled(at, sizes)
            self.count(at, mine, other, sizes)

    def compare_definition(self):
        """A judge must agree with the peer where nothing is hard."""
        defined_so = defined(mpmath.fp, self.name, self.params, self.series)
        if self.peer != TALIB or defined_so is None:
            return
        self.verdict.definitions += 1
        for output, mine, other in zip(self.function["outputs"], defined_so, self.theirs):
            sizes = measure(mine, other, numpy.full(len(mine), RATIO))
            at = int(sizes.argmax())
            if sizes[at] > DEFINITION:
                self.differs(sizes[at], f"definition of {output}", at, mine[at], other[at])

    @functools.cached_property
    def truth(self):
        with mpmath.workdps(DIGITS):
            return defined(mpmath.mp, self.name, self.params, self.series)

    def shaken(self, sizes):
        chance = numpy.random.default_rng(len(self.series[0]))
        for size in sizes:
            yield [one * (1 + size * chance.uniform(-1, 1, len(one))) for one in self.series]

    @functools.cached_property
    def moves(self):
        """How far ours or the peer's moves, as differences are measured, as soon as the inputs are
        shaken a little."""
        found = [numpy.zeros(len(self.series[0])) for _ in self.theirs]
        for series in self.shaken(SHAKEN * (SHAKES // len(SHAKEN))):
            ours = self.comparison.outputs(self.params, series)
            theirs = peer_of(self.function, self.params, series)[2]
            for others, plain in ((ours, self.plain), (theirs, self.theirs)):
                for at, (other, same) in enumerate(zip(others, plain)):
                    found[at] = numpy.maximum(found[at], measure(other, same, self.units[at]))
        return [2 * about(one) for one in found]

    @functools.cached_property
    def doubts(self):
        """How far the truth moves where inputs are rounded differently, or it is computed in floating
        point; decisions are no matter of rounding."""
        others = [defined(mpmath.fp, self.name, self.params, self.series)]
        for series in self.shaken([ROUNDED] * ROUNDINGS):
            with mpmath.workdps(DIGITS):
                others.append(defined(mpmath.mp, self.name, self.params, series))
        found = []
        for at, truth in enumerate(self.truth):
            moved = numpy.abs([other[at] - truth for other in others]).max(axis=0)
            moved[~(moved <= DECISION * usual_size(truth))] = 0.0
            found.append(2 * about(moved))
        return found

    def judged(self, at, mine, other, sizes):
        """The differences, from the truth wherever our value is the nearer to it."""
        if self.truth is None:
            return sizes
        truth, unit = self.truth[at], self.units[at]
        ours, theirs = measure(mine, truth, unit), measure(other, truth, unit)
        beyond = sizes > self.limit
        nearer = beyond & (ours <= self.limit) & (ours < theirs)
        self.verdict.judged += int(nearer.sum())
        self.verdict.peer_off = max(self.verdict.peer_off, theirs[nearer].max(initial=0.0))
        sizes = numpy.where(nearer, ours, sizes)
        left = beyond & ~nearer & numpy.isfinite(ours)
        if left.any():
            left &= numpy.abs(mine - truth) <= self.doubts[at]
            self.verdict.doubtful += int(left.sum())
            sizes = numpy.where(left, 0.0, sizes)
        return sizes

    def settled(self, at, sizes):
        unsettled = (sizes > self.limit) & (sizes <= self.moves[at])
        self.verdict.unsettled += int(unsettled.sum())
        return numpy.where(unsettled, 0.0, sizes)

    def count(self, at, mine, other, sizes):
        worst = int(sizes.argmax())
        self.verdict.greatest = max(self.verdict.greatest, sizes[worst])
        beyond = int((sizes > self.limit).sum())
        self.verdict.beyond += beyond
        if beyond:
            values = float(mine[worst]), float(other[worst])
            self.differs(sizes[worst], self.function["outputs"][at], worst, *values)

    def differs(self, size, output, at, ours, theirs):
        found = Difference(size, self.bars, self.params, output, at, ours, theirs, self.peer)
        self.verdict.problems.append(found)
