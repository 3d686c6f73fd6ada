"""Single-line mutations of real captures: the engine must see every gap and nothing else.

Each case is a window of a capture behind a snapshot of the oracle's own book, with one line
dropped, doubled or swapped with the next. Gaps (line and family) and the top after every applied
depth message must be the oracle's.

    python mutations.py --tidegate BIN --captures DIR [--count N] [--seed S] [--jobs J]
"""

import argparse
import collections
import csv
import json
import multiprocessing
import os
import pathlib
import random
import subprocess
import sys
import tempfile
from typing import NamedTuple

# Nothing is written outside the temporary directory, not even the import's bytecode.
sys.dont_write_bytecode = True

import binance
from binance import BOOK, DEPTH, TICKER, TRADE, TRADES

VENUES = {"binance-spot": "binance_spot", "binance-coinm": "binance_coinm"}
WINDOW_MIN, WINDOW_MAX = 20, 500
# Lines between two kept copies of the oracle's book: memory against time per case.
CHECKPOINT_LINES = 500
REPLAY_SECONDS_MAX = 60
DISAGREEMENTS_SHOWN = 5
VERDICT_SHARE_MIN = 0.05
HARMLESS = "harmless"
VERDICT = {BOOK: "book gap", TRADES: "trade gap"}
GAPS_HEADER = "path,line,ts_recv,symbol,family,cause,expected,got".split(",")
TOPS_HEADER = "ts_recv,symbol,venue_sequence,bid,bid_qty,ask,ask_qty".split(",")
# Most lines are bookTickers, and no mutation of those does harm: the kind is chosen before the
# line, and dropping, which alone always tears a sequence, most often.
KIND_WEIGHTS = {DEPTH: 4, TRADE: 4, TICKER: 1}
MUTATION_WEIGHTS = {"drop": 2, "duplicate": 1, "swap": 1}


class Capture:
    """All days of one venue as one stream in memory, with copies of the oracle's book."""

    def __init__(self, paths):
        self.lines, self.kinds, self.checkpoints = [], [], {}
        self.live_from = None
        book = binance.Stream()
        for path in paths:
            for line in binance.read_lines(path):
                index = len(self.lines)
                if self.live_from is not None and index % CHECKPOINT_LINES == 0:
                    self.checkpoints[index] = book_at(book)
                ts_recv, body = binance.parse(line)
                book.apply(index, ts_recv, body)
                self.lines.append(line)
                self.kinds.append(binance.kind_of(body))
                if self.live_from is None and book.last is not None:
                    self.live_from = index + 1
                    self.checkpoints[self.live_from] = book_at(book)
        if book.gaps or self.live_from is None:
            raise ValueError(f"a capture without snapshot, or with gaps: {paths}")

    def snapshot_before(self, index):
        """The snapshot line that the venue would have sent just before line `index`."""
        nearest = max(start for start in self.checkpoints if start <= index)
        book = book_at(self.checkpoints[nearest])
        for number in range(nearest, index):
            if self.kinds[number] == DEPTH:
                book.apply(number, *binance.parse(self.lines[number]))
        return snapshot_line(self.lines[index - 1].split(" ", 1)[0], book)


class Case(NamedTuple):
    number: int
    venue: str
    start: int  # the window's first line, counted from 0 in the capture
    length: int
    mutation: str
    kind: str
    line: int  # 1-based in the case's file, before the mutation

    def describe(self, seed):
        return (
            f"case {self.number}, seed {seed}, {self.venue}: {self.length} lines from line "
            f"{self.start + 1} of the stream, {self.mutation} {self.kind} at line {self.line}"
        )


class Outcome(NamedTuple):
    case: Case
    gaps: list
    tops: int
    differences: list


def book_at(book):
    """A copy of the book alone, without the history of how it came about."""
    copy = binance.Stream()
    copy.symbol, copy.last, copy.first, copy.stamp = book.symbol, book.last, book.first, book.stamp
    copy.bids, copy.asks = book.bids.copy(), book.asks.copy()
    return copy


def snapshot_line(ts_recv, book):
    message = {"lastUpdateId": book.last}
    if "T" in book.stamp:  # COIN-M names its instrument and its clock, spot does not
        stamp = book.stamp
        message |= {
            "E": stamp["E"],
            "T": stamp["T"],
            "symbol": book.symbol,
            "pair": stamp.get("ps") or stamp["pair"],
        }
    message["bids"] = [book.bids.levels[price] for price in reversed(book.bids.prices)]
    message["asks"] = [book.asks.levels[price] for price in book.asks.prices]
    return f"{ts_recv} {json.dumps(message, separators=(',', ':'))}"


def choose(number, seed, captures):
    """The case depends on seed and number only, so one case can be had again without the others."""
    chance = random.Random(f"{seed}/{number}")
    venue = list(captures)[number % len(captures)]
    capture = captures[venue]
    kind = chance.choices(list(KIND_WEIGHTS), KIND_WEIGHTS.values())[0]
    mutation = chance.choices(list(MUTATION_WEIGHTS), MUTATION_WEIGHTS.values())[0]
    # Only neighbours of one kind share a sequence; let half of the swaps be such.
    same_kind = mutation == "swap" and chance.random() < 0.5
    while True:
        length = chance.randint(WINDOW_MIN, WINDOW_MAX)
        start = chance.randrange(capture.live_from, len(capture.lines) - length + 1)
        kinds = capture.kinds[start : start + length]
        offsets = [
            offset
            for offset in range(1, length - 1)
            if kinds[offset] == kind and (not same_kind or kinds[offset + 1] == kind)
        ]
        if offsets:
            break
    # The snapshot is line 1 of the file, the window's first line is line 2.
    return Case(number, venue, start, length, mutation, kind, chance.choice(offsets) + 2)


def mutated(case, capture):
    lines = [capture.snapshot_before(case.start)]
    lines += capture.lines[case.start : case.start + case.length]
    at = case.line - 1
    if case.mutation == "drop":
        del lines[at]
    elif case.mutation == "duplicate":
        lines.insert(at, lines[at])
    else:
        lines[at], lines[at + 1] = lines[at + 1], lines[at]
    return lines


def read_csv(path, header):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if not rows or rows[0] != header:
        raise ValueError(f"{path.name}: header {rows[:1]}")
    return rows[1:]


def replay(tidegate, venue, lines):
    """What the engine says: the JSON object, gaps as (line, family), tops."""
    with tempfile.TemporaryDirectory(prefix="tidegate-mutation-") as folder:
        folder = pathlib.Path(folder)
        capture, tops, gaps = folder / "capture", folder / "tops.csv", folder / "gaps.csv"
        capture.write_text("\n".join(lines) + "\n", encoding="utf-8")
        command = [tidegate, "replay", "--venue", venue, capture, "--json"]
        command += ["--tops", tops, "--gaps", gaps]
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=REPLAY_SECONDS_MAX, cwd=folder
        )
        if run.returncode != 0:
            raise ValueError(f"exit code {run.returncode}: {run.stderr.strip()[-500:]}")
        gap_rows = [dict(zip(GAPS_HEADER, row, strict=True)) for row in read_csv(gaps, GAPS_HEADER)]
        top_rows = [binance.Top(*row) for row in read_csv(tops, TOPS_HEADER)]
        pairs = [(int(row["line"]), row["family"]) for row in gap_rows]
        # The engine's key is `MARKET:SYMBOL`, the venue knows only the symbol.
        top_rows = [top._replace(symbol=top.symbol.rpartition(":")[2]) for top in top_rows]
        return json.loads(run.stdout), pairs, top_rows


def differences(answer, gaps, tops, stream):
    found = []
    expected = [(gap.line, gap.family) for gap in stream.gaps]
    if gaps != expected:
        found.append("gaps differ")
    if answer.get("gaps") != len(expected):
        found.append(f"JSON gaps: oracle {len(expected)}, engine {answer.get('gaps')!r}")
    if len(tops) != len(stream.tops):
        found.append(f"tops: oracle {len(stream.tops)} rows, engine {len(tops)} rows")
    for row, (oracle, engine) in enumerate(zip(stream.tops, tops), 1):
        if oracle != engine:
            found.append(f"top {row}: oracle {','.join(oracle)}, engine {','.join(engine)}")
            break
    if found:
        found.insert(0, f"oracle: {verdict_text(expected)}, engine: {verdict_text(gaps)}")
    return found


def verdict_text(gaps):
    named = (f"{VERDICT.get(family, family)} at line {line}" for line, family in gaps)
    return "; ".join(named) or HARMLESS


def run_case(number, seed, tidegate, captures):
    case = choose(number, seed, captures)
    lines = mutated(case, captures[case.venue])
    stream = binance.Stream()
    for line_number, line in enumerate(lines, 1):
        stream.apply(line_number, *binance.parse(line))
    try:
        found = differences(*replay(tidegate, case.venue, lines), stream)
    except (ValueError, OSError, TypeError, AttributeError, subprocess.TimeoutExpired) as error:
        expected = [(gap.line, gap.family) for gap in stream.gaps]
        found = [f"oracle: {verdict_text(expected)}, engine: {error}"]
    return Outcome(case, stream.gaps, len(stream.tops), found)


def share(*everything):
    global SHARED
    SHARED = everything


def worker(number):
    return run_case(number, *SHARED)


def run_all(count, seed, jobs, tidegate, captures):
    # Forked workers inherit the captures; nothing but the case's number travels.
    fork = multiprocessing.get_context("fork")
    with fork.Pool(jobs, initializer=share, initargs=(seed, tidegate, captures)) as pool:
        yield from pool.imap(worker, range(count), chunksize=4)


def report(outcomes, count):
    """Print the counts, each with its N; true when every verdict is well represented."""
    verdicts, mutations = collections.Counter(), collections.Counter()
    for outcome in outcomes:
        kinds = {VERDICT[gap.family] for gap in outcome.gaps} or {HARMLESS}
        for kind in kinds:
            verdicts[kind] += 1
            verdicts[kind, outcome.case.venue] += 1
        mutations[f"{outcome.case.mutation} {outcome.case.kind}"] += 1
    for name, number in sorted(mutations.items()):
        print(f"mutation {name:22} {number:6} of N={count}")
    enough = True
    for kind in (*VERDICT.values(), HARMLESS):
        venues = ", ".join(f"{venue} {verdicts[kind, venue]}" for venue in VENUES)
        print(f"verdict  {kind:22} {verdicts[kind]:6} of N={count} ({venues})")
        if verdicts[kind] < VERDICT_SHARE_MIN * count:
            print(f"too few: {kind} is under {VERDICT_SHARE_MIN:.0%} of N={count}")
            enough = False
    tops = sum(outcome.tops for outcome in outcomes)
    agreed = sum(not outcome.differences for outcome in outcomes)
    print(f"oracle's tops compared {tops:,} in N={count} cases")
    print(f"agreed {agreed} of N={count}")
    return enough


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tidegate", type=pathlib.Path, required=True)
    parser.add_argument("--captures", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20240808)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    captures = {}
    for venue, folder in VENUES.items():
        paths = sorted((options.captures / folder).glob("*.gz"))
        captures[venue] = Capture(paths)
    tidegate = options.tidegate.resolve()
    outcomes, shown = [], 0
    for outcome in run_all(options.count, options.seed, options.jobs, tidegate, captures):
        outcomes.append(outcome)
        if outcome.differences and shown < DISAGREEMENTS_SHOWN:
            shown += 1
            print(outcome.case.describe(options.seed))
            for difference in outcome.differences:
                print(f"    {difference}")
    enough = report(outcomes, options.count)
    if shown or not enough or not outcomes:
        sys.exit(1)


if __name__ == "__main__":
    main()
