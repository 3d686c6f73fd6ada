"""Every function of the catalogue of indicators against TA-Lib, or against a definition of our own.

Functions are run by `engine/core/examples/indicators.rs` on made and captured bars. The peer is
TA-Lib where it has the function, else `indicator_reference.py` in floating point. Where the two
differ by more than the limit, the reference in 50 digits is the judge. What is compared, and how,
is said in `AGREEMENT.md`, which `--write` makes and every other run checks.

    python indicators.py --indicators BIN [--captures DIR] [--seed S] [--jobs J] [--only NAMES]
                         [--write | --perturb 1e-6]

With `--perturb` our outputs are multiplied by one and a little noise, and every output of every
function that is compared must be found to differ: on plain walks, with a few settings.
"""

import argparse
import collections
import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
import time

# Nothing is written outside the temporary directory, not even the import's bytecode.
sys.dont_write_bytecode = True

import numpy

import indicator_bars
import indicator_reference
import indicator_table
import indicator_talib
from indicator_comparison import DIGITS, Comparison, Engine

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
    if options.perturb:
        return indicator_bars.walks(numpy.random.default_rng(options.seed))
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


def show_differences(verdicts):
    for verdict in verdicts:
        shown = sorted(verdict.problems, key=lambda one: -one.size)[:SHOWN_PER_FUNCTION]
        for difference in shown:
            print(f"{verdict.name}{difference.describe()}")
        if len(verdict.problems) > len(shown):
            print(f"{verdict.name}: and {len(verdict.problems) - len(shown)} more")


def listed(names):
    return ", ".join(names) or "none"


def report(verdicts):
    """Print the counts, each with its N; true when nothing is beyond the limit."""
    total = lambda name: sum(getattr(verdict, name) for verdict in verdicts)
    count, values = len(verdicts), f"of N={total('values'):,} values"
    compared = sum(verdict.cases > 0 for verdict in verdicts)
    left = [verdict.name for verdict in verdicts if not verdict.cases]
    failed = [verdict.name for verdict in verdicts if verdict.problems]
    print(f"compared {compared} of N={count} functions in N={total('cases'):,} cases")
    print(f"not compared {len(left)} of N={count} functions: {listed(left)}")
    for name, why in indicator_talib.OTHERS.items():
        print(f"not TA-Lib's of that name: {name}: {why}")
    print(f"beyond the limit {total('beyond'):,} {values}")
    print(f"ours nearer to {DIGITS} digits than the peer {total('judged'):,} {values}")
    print(f"definitions compared with TA-Lib on a walk: N={total('definitions'):,} settings")
    print(f"differences where either hangs on rounding {total('unsettled'):,} {values}")
    print(f"differences that inputs explain {total('doubtful'):,} {values}")
    print(f"settings that {total('holes'):,} holes change {total('torn')} of N={total('whole'):,}")
    refused = [verdict.name for verdict in verdicts if verdict.refused]
    settings = sum(sum(verdict.refused.values()) for verdict in verdicts)
    print(
        f"settings that somebody refuses {settings}, of {len(refused)} functions: {listed(refused)}"
    )
    print(f"functions that differ {len(failed)} of N={count}: {listed(failed)}")
    return not failed


def is_sound(functions):
    """True where no name is there twice and no definition is of nothing."""
    names = collections.Counter(function["function"] for function in functions)
    twice = sorted(name for name, count in names.items() if count > 1)
    strangers = sorted(set(indicator_reference.FUNCTIONS) - set(names))
    defined = len(indicator_reference.FUNCTIONS)
    print(f"names that are there twice {len(twice)} of N={len(names)}: {listed(twice)}")
    print(f"definitions of no function {len(strangers)} of N={defined}: {listed(strangers)}")
    return not twice and not strangers


def report_perturbed(verdicts, noise):
    compared = [verdict for verdict in verdicts if verdict.cases]
    outputs = [f"{verdict.name}.{name}" for verdict in compared for name in verdict.outputs]
    seen = {f"{verdict.name}.{one.output}" for verdict in compared for one in verdict.problems}
    blind = [output for output in outputs if output not in seen]
    count = f"of N={len(outputs)} outputs of N={len(compared)} functions"
    print(f"off by up to {noise:g}: noticed {len(outputs) - len(blind)} {count}")
    print(f"blind for {len(blind)} {count}: {listed(blind)}")
    return compared and not blind


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
    catalogue = subprocess.run([options.indicators, "--list"], capture_output=True, check=True)
    functions = [json.loads(line) for line in catalogue.stdout.splitlines()]
    chosen = [one for one in functions if not options.only or one["function"] in options.only]
    made = all_bars(options)
    verdicts = list(run_all(chosen, made, options))
    if options.perturb:
        sys.exit(0 if report_perturbed(verdicts, options.perturb) else 1)
    show_differences(verdicts)
    good = report(verdicts) and is_sound(functions)
    slowest = sorted(verdicts, key=lambda verdict: -verdict.seconds)[:SHOWN_PER_FUNCTION]
    print("slowest:", listed(f"{verdict.name} {verdict.seconds:.1f} s" for verdict in slowest))
    work = sum(verdict.seconds for verdict in verdicts)
    print(f"took {time.monotonic() - started:.0f} s, {work:.0f} s of work")
    if options.write:
        indicator_table.write(verdicts, len(made))
    elif not options.only:
        good = indicator_table.check([one["function"] for one in functions]) and good
    sys.exit(0 if good and verdicts else 1)


if __name__ == "__main__":
    main()
