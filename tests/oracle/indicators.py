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
import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
import time

# Nothing is written outside the temporary directory, not even the import's bytecode.
sys.dont_write_bytecode = True

import indicator_bars
import indicator_comparison
import indicator_reference
import indicator_table
import indicator_talib
from indicator_comparison import Comparison, Engine

SHOWN_PER_FUNCTION = 3


def share(*everything):
    global SHARED
    SHARED = everything


def worker(function):
    path, made, candles, seed, noise = SHARED
    started = time.process_time()
    engine = Engine(path)
    comparison = Comparison(function, engine, noise)
    if comparison.has_peer():
        comparison.run([*made, candles] if comparison.name.startswith("cdl") else made)
    comparison.holes(made[0], seed)
    engine.process.stdin.close()
    engine.process.wait()
    comparison.verdict.seconds = time.process_time() - started
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
    for name, why in indicator_talib.OTHERS.items():
        print(f"not TA-Lib's of that name: {name}: {why}")
    print(f"beyond the limit {beyond:,} of N={values:,} values")
    print(f"ours nearer to {indicator_comparison.DIGITS} digits than the peer {judged:,} of N={values:,} values")
    torn = sum(verdict.torn for verdict in verdicts)
    unsettled = sum(verdict.unsettled for verdict in compared)
    doubtful = sum(verdict.doubtful for verdict in compared)
    definitions = sum(verdict.definitions for verdict in compared)
    print(f"definitions compared with TA-Lib on a walk: N={definitions:,} settings")
    print(f"differences where either hangs on rounding {unsettled:,} of N={values:,} values")
    print(f"differences that inputs explain {doubtful:,} of N={values:,} values")
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
    started = time.monotonic()
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
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        print(f"names that are there twice {len(twice)} of N={len(names)}: {', '.join(twice)}")
        good = False
    print(f"took {time.monotonic() - started:.0f} s, {sum(v.seconds for v in verdicts):.0f} s of work")
    print(f"references without a function {len(strangers)}: {', '.join(sorted(strangers)) or 'none'}")
    if options.write:
        indicator_table.write(verdicts, len(made))
    elif not options.only:
        good = indicator_table.check(names) and good
    sys.exit(0 if good and verdicts else 1)


if __name__ == "__main__":
    main()
