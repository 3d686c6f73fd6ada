"""A second, independent order book for Binance captures: slow, exact and written from the venue's
rules alone, so that the engine can be compared with something that shares no code with it.

A capture is gzip or plain text, one line `<receive ns> <raw JSON>`. The REST snapshot is the line
without "stream"; on spot it does not name its symbol.

    python binance.py CAPTURE...     prints the truths of the captures, read as one stream
"""

import bisect
import decimal
import gzip
import json
import sys
from decimal import Decimal
from typing import NamedTuple

# Sums must be exact or fail: no rounding may hide in a figure that is called a truth.
decimal.getcontext().prec = 60
decimal.getcontext().traps[decimal.Inexact] = True

BOOK, TRADES = "book", "trades"
SNAPSHOT, DEPTH, TRADE, TICKER = "snapshot", "depthUpdate", "trade", "bookTicker"


class Gap(NamedTuple):
    line: int
    family: str
    expected: int
    got: int


class Top(NamedTuple):
    """The best prices after one applied depth message; digits as the venue sent them."""

    ts_recv: str
    symbol: str
    venue_sequence: str
    bid: str
    bid_qty: str
    ask: str
    ask_qty: str


class Side:
    """One side of a book: prices ascending, and for each the venue's (price, qty) text."""

    def __init__(self):
        self.prices = []
        self.levels = {}

    def set(self, price_text, qty_text):
        price = Decimal(price_text)
        if Decimal(qty_text) == 0:
            if self.levels.pop(price, None):
                del self.prices[bisect.bisect_left(self.prices, price)]
            return
        if price not in self.levels:
            bisect.insort(self.prices, price)
        self.levels[price] = (price_text, qty_text)

    def at(self, index):
        return self.levels[self.prices[index]] if self.prices else ("", "")

    def copy(self):
        other = Side()
        other.prices, other.levels = self.prices.copy(), self.levels.copy()
        return other


class Sum:
    """How many, and exactly how much."""

    def __init__(self):
        self.count, self.price, self.qty = 0, Decimal(0), Decimal(0)

    def add(self, price_text, qty_text):
        self.count += 1
        self.price += Decimal(price_text)
        self.qty += Decimal(qty_text)


class Stream:
    """One symbol's messages in the order received: the book, its gaps and the trades' gaps.

    `last` is the book's venue sequence and None while the book is not Live."""

    def __init__(self):
        self.symbol = ""
        self.gaps, self.tops = [], []
        self.last_trade = None
        self.trades = Sum()
        self.snapshot_levels, self.depth_levels = Sum(), Sum()
        # Diffs that a later snapshot may still need; also those that follow a gap.
        self.waiting = []
        self.discard()

    def discard(self):
        self.bids, self.asks = Side(), Side()
        self.last = None
        self.first = False
        # The body whose venue clock (E, T) the book stands at.
        self.stamp = {}

    def apply(self, number, ts_recv, body):
        kind = kind_of(body)
        if kind != SNAPSHOT:
            self.check_symbol(body["s"])
        if kind == SNAPSHOT:
            self.snapshot(body)
        elif kind == DEPTH:
            self.depth(number, ts_recv, body)
        elif kind == TRADE:
            self.trade(number, body)

    def check_symbol(self, symbol):
        if self.symbol not in ("", symbol):
            raise ValueError(f"one stream, two symbols: {self.symbol} and {symbol}")
        self.symbol = symbol

    def snapshot(self, body):
        if self.last is not None:
            return
        for side, levels in ((self.bids, body["bids"]), (self.asks, body["asks"])):
            for price, qty in levels:
                side.set(price, qty)
                self.snapshot_levels.add(price, qty)
        self.last, self.first, self.stamp = body["lastUpdateId"], True, body
        waiting, self.waiting = self.waiting, []
        for message in waiting:
            self.depth(*message)

    def depth(self, number, ts_recv, body):
        if self.last is None:
            self.waiting.append((number, ts_recv, body))
            return
        rule = futures_rule if "pu" in body else spot_rule
        stale, expected, got = rule(body, self.last, self.first)
        if stale:
            return
        if expected is not None:
            self.gaps.append(Gap(number, BOOK, expected, got))
            self.discard()
            self.waiting.append((number, ts_recv, body))
            return
        for side, levels in ((self.bids, body["b"]), (self.asks, body["a"])):
            for price, qty in levels:
                side.set(price, qty)
                self.depth_levels.add(price, qty)
        self.last, self.first, self.stamp = body["u"], False, body
        sequence = str(self.last)
        self.tops.append(Top(ts_recv, self.symbol, sequence, *self.bids.at(-1), *self.asks.at(0)))

    def trade(self, number, body):
        trade_id = body["t"]
        if self.last_trade is not None:
            if trade_id <= self.last_trade:
                return
            if trade_id != self.last_trade + 1:
                self.gaps.append(Gap(number, TRADES, self.last_trade + 1, trade_id))
        self.last_trade = trade_id
        self.trades.add(body["p"], body["q"])


def spot_rule(body, last, _first):
    """(stale, expected, got): a gap where `expected` is not None. The first diff after a snapshot
    needs no rule of its own: U <= L + 1 <= u is what remains once u <= L is dropped."""
    if body["u"] <= last:
        return True, None, None
    if body["U"] > last + 1:
        return False, last + 1, body["U"]
    return False, None, None


def futures_rule(body, last, first):
    """As `spot_rule`, by `pu`. The venue wants U <= L <= u of the first diff; nothing changes
    between pu and U, so a snapshot taken there is the same book and pu <= L is enough."""
    if body["u"] < last or (body["u"] == last and not first):
        return True, None, None
    chained = body["pu"] <= last if first else body["pu"] == last
    return (False, None, None) if chained else (False, last, body["pu"])


def kind_of(body):
    if "lastUpdateId" in body:
        return SNAPSHOT
    # Spot's bookTicker is the only message without an event name.
    return body.get("e", TICKER)


def parse(line):
    """`<receive ns> <raw JSON>` as (receive ns text, body without the stream envelope)."""
    ts_recv, raw = line.split(" ", 1)
    message = json.loads(raw, parse_float=Decimal)
    return ts_recv, message.get("data", message)


def read_lines(path):
    with open(path, "rb") as file:
        opener = gzip.open if file.read(2) == b"\x1f\x8b" else open
    with opener(path, "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            yield line.rstrip("\n")


def read_stream(paths):
    """Apply the captures as one stream; also returns every bookTicker body in order."""
    stream, tickers = Stream(), []
    for path in paths:
        for number, line in enumerate(read_lines(path), 1):
            ts_recv, body = parse(line)
            stream.apply(number, ts_recv, body)
            if kind_of(body) == TICKER:
                tickers.append(body)
    return stream, tickers


def ticker_points(stream, tickers):
    """(checked, equal): bookTicker against the book at every update id that both have."""
    tops = {int(top.venue_sequence): top for top in stream.tops}
    checked = equal = 0
    for body in tickers:
        top = tops.get(body["u"])
        if top is None:
            continue
        checked += 1
        venue = [Decimal(body[field]) for field in "bBaA"]
        # The venue states an empty side as 0 x 0, the table as two empty fields.
        ours = [Decimal(text or 0) for text in (top.bid, top.bid_qty, top.ask, top.ask_qty)]
        equal += ours == venue
    return checked, equal


def main(paths):
    if not paths:
        sys.exit("usage: binance.py CAPTURE...")
    stream, tickers = read_stream(paths)
    checked, equal = ticker_points(stream, tickers)
    print(f"symbol               {stream.symbol}")
    print(f"diffs applied        {len(stream.tops):,}")
    for family in (BOOK, TRADES):
        gaps = [gap for gap in stream.gaps if gap.family == family]
        print(f"{family + ' gaps':20} {len(gaps)} {gaps[:3] or ''}")
    print(f"bookTicker points    {equal:,} of {checked:,} (of {len(tickers):,} bookTickers)")
    for name, total in (
        ("trades", stream.trades),
        ("snapshot levels", stream.snapshot_levels),
        ("diff levels", stream.depth_levels),
    ):
        print(f"{name:20} {total.count:,}, sum of price {total.price}, of qty {total.qty}")
    if stream.tops:
        top = stream.tops[-1]
        print(f"last top             {top.bid} x {top.bid_qty} / {top.ask} x {top.ask_qty}")
    if checked != equal:
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
