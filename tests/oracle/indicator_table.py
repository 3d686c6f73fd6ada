"""`AGREEMENT.md`: with whom each function of the catalogue agrees, and how closely."""

import pathlib
import re

import indicator_comparison as comparison
import indicator_talib

PATH = pathlib.Path(__file__).parents[2] / "engine/core/src/indicator/AGREEMENT.md"
HEAD = """# Agreement of the indicators with independent implementations

Made by `tests/oracle/indicators.py --write`; every other run of it checks that the functions listed here are those of
the catalogue, and compares all of them anew.

Each function runs on {bars} series of bars with its default, smallest and other parameters. From the first output on,
every value is compared with that of its peer: TA-Lib {talib} where it has the function, else a definition written for
this purpose from the named source (`tests/oracle/indicator_reference.py` and the files beside it).

The difference of a value is |ours - peer| / max(|peer|, {small:g} u, {rounding:g} x). Here u is the median size of the
peer's values in that series that are not zero: what passes through zero is measured by what is usual. And x is the
greatest size of an input among the last warm-up + 1 bars, for outputs that have a unit (a price, a price times a
volume; found by doubling prices, and volumes), and {ratio:g} for ratios: the difference of two averages is known no better than
the averages. A value that only one of the two has differs without bound.

The limit is {limit:g}; patterns of candles must be equal. Where a value is beyond the limit, the definition is
evaluated in {digits} digits: if ours is within the limit of that and the peer is further away, ours stands, and "peer
off" says by how much the peer differs there; and it stands where it is no further from it than twice what the same
definition in floating point is, or what rounding the inputs otherwise makes of it (said to be explained). Functions that follow the phase of a cycle (MAMA, the Hilbert transforms)
follow the phase of rounding errors where there is no cycle: their values do not count, and are said to be unsettled,
where ours or TA-Lib's own move beyond the limit when the inputs are changed by up to {shaken:g} of themselves.

| Function | Source | Warm-up | Judged by | Cases | Values | Greatest difference | Peer off |
|---|---|---|---|---|---|---|---|
"""
ROW = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)


def row(verdict):
    cells = [f"`{verdict.name}`", verdict.source]
    if not verdict.cases:
        return " | ".join(["|", *cells, "", "not compared", "", "", "", "|"])
    judges = " and ".join(sorted(verdict.peers, reverse=True))
    peer_off = ""
    if verdict.judged:
        judges += ", 50 digits"
        peer_off = f"by {verdict.peer_off:.0e} in {verdict.judged:,} values"
    if verdict.unsettled:
        peer_off += f"{'; ' if peer_off else ''}{verdict.unsettled:,} unsettled"
    if verdict.doubtful:
        peer_off += f"{'; ' if peer_off else ''}{verdict.doubtful:,} explained"
    if verdict.name in indicator_talib.OTHERS:
        judges += f" ({indicator_talib.OTHERS[verdict.name]})"
    cells += [str(verdict.warmup), judges, f"{verdict.cases:,}", f"{verdict.values:,}"]
    cells += [f"{verdict.greatest:.1e}" if verdict.greatest else "0", peer_off]
    return "| " + " | ".join(cells) + " |"


def write(verdicts, bars):
    head = HEAD.format(
        talib=indicator_talib.VERSION,
        bars=bars,
        limit=comparison.LIMIT,
        small=comparison.SMALL,
        rounding=comparison.ROUNDING,
        ratio=comparison.RATIO,
        digits=comparison.DIGITS,
        shaken=max(comparison.SHAKEN),
    )
    PATH.write_text(head + "\n".join(map(row, verdicts)) + "\n", encoding="utf-8")


def check(names):
    """True where the table on disk has exactly these functions."""
    rows = ROW.findall(PATH.read_text(encoding="utf-8")) if PATH.exists() else []
    missing, strange = sorted(set(names) - set(rows)), sorted(set(rows) - set(names))
    print(f"functions that {PATH.name} lacks {len(missing)} of N={len(names)}: {missing}")
    print(f"rows of {PATH.name} without a function {len(strange)} of N={len(rows)}: {strange}")
    return not missing and not strange and len(rows) == len(names)
