"""The engine's Parquet folder through two foreign readers, pyarrow and DuckDB: schema, order, and
the same exact figures from both; then the replay's own count, then the capture itself.

    python parquet.py --parquet DIR --tidegate-json FILE [--captures PATH...]

DIR holds events/symbol=<encoded key>/<yyyy-mm-dd>.parquet. --captures takes the captures that were
replayed into DIR, in that order: one stream.
"""

import argparse
import json
import pathlib
import re
import sys
from typing import NamedTuple

import duckdb
import pyarrow
import pyarrow.compute as compute
import pyarrow.parquet

# Nothing is written into the source folder, not even the import's bytecode.
sys.dont_write_bytecode = True

import binance

KINDS = {
    1: "Level",
    2: "Trade",
    3: "Quote",
    4: "Ohlc",
    5: "Day",
    6: "Pressure",
    7: "Interest",
    8: "Message",
    9: "Clear",
    64: "Define",
    65: "State",
    66: "Gap",
    67: "Time",
    68: "Config",
}
LEVEL, TRADE = 1, 2
SORTED_BY = ["symbol", "ts", "seq"]

TIME = pyarrow.timestamp("ns", "UTC")
PRICE, QTY = pyarrow.decimal128(18, 9), pyarrow.decimal128(18, 8)
UINT8, UINT64 = pyarrow.uint8(), pyarrow.uint64()
TEXT = "dictionary of string"
# Sums need more digits than the columns have.
PRICE_SUM, QTY_SUM, ID_SUM = (pyarrow.decimal128(38, scale) for scale in (9, 8, 0))

# name, type as pyarrow sees it, type as DuckDB sees it
COLUMNS = [
    ("seq", pyarrow.int64(), "BIGINT"),
    ("ts", TIME, "TIMESTAMPTZ_NS"),
    ("receive_ts", TIME, "TIMESTAMPTZ_NS"),
    ("venue_ts", TIME, "TIMESTAMPTZ_NS"),
    ("symbol", TEXT, "VARCHAR"),
    ("source", TEXT, "VARCHAR"),
    ("kind", UINT8, "UTINYINT"),
    ("flags", UINT8, "UTINYINT"),
    ("side", pyarrow.int8(), "TINYINT"),
    ("orders", pyarrow.uint32(), "UINTEGER"),
    *((name, PRICE, "DECIMAL(18,9)") for name in ("price", "price2", "price3", "price4")),
    *((name, QTY, "DECIMAL(18,8)") for name in ("qty", "qty2", "qty3", "qty4")),
    ("id1", UINT64, "UBIGINT"),
    ("id2", UINT64, "UBIGINT"),
    ("time2", TIME, "TIMESTAMPTZ_NS"),
    ("body", pyarrow.binary(), "BLOB"),
]
REQUIRED = {"seq", "ts", "receive_ts", "symbol", "source", "kind", "flags"}


class Figures(NamedTuple):
    """What both readers must say of one kind; each sum beside the number of values in it."""

    rows: int
    prices: int
    price: object
    qtys: int
    qty: object
    ids: int
    id1: object
    seq_min: int
    seq_max: int


class Check:
    def __init__(self):
        self.passed = self.failed = 0

    def that(self, holds, failure):
        self.passed += bool(holds)
        self.failed += not holds
        if not holds:
            print(f"FAILED: {failure}")

    def equal(self, name, count, ours, engine):
        print(f"{name:40} N={count:<9,} {engine}")
        self.that(ours == engine, f"{name}: expected {ours}, Parquet has {engine}")


def encoded(key):
    return re.sub(rb"[^A-Za-z0-9-]", lambda m: b"_%02x" % m[0][0], key.encode()).decode()


def check_schema(check, name, schema):
    check.that(
        schema.names == [column for column, _, _ in COLUMNS], f"{name}: columns {schema.names}"
    )
    for column, expected, _ in COLUMNS:
        if column not in schema.names:
            continue
        field = schema.field(column)
        actual = field.type
        if pyarrow.types.is_dictionary(actual) and actual.value_type == pyarrow.string():
            actual = TEXT
        check.that(actual == expected, f"{name}: {column} is {field.type}, not {expected}")
        nullable = column not in REQUIRED
        check.that(field.nullable == nullable, f"{name}: {column} nullable: {field.nullable}")


def check_sorting(check, name, metadata):
    for group in range(metadata.num_row_groups):
        declared = [
            (metadata.schema.column(column.column_index).path, column.descending)
            for column in metadata.row_group(group).sorting_columns
        ]
        expected = [(column, False) for column in SORTED_BY]
        check.that(declared == expected, f"{name}: row group {group} declares {declared}")


def is_ordered(table):
    """Strictly rising by (symbol, ts, seq): seq is unique."""
    rising = None
    for column in reversed(SORTED_BY):
        values = table[column].combine_chunks()
        if pyarrow.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        before, after = values[:-1], values[1:]
        greater = compute.greater(after, before)
        if rising is not None:
            greater = compute.or_(greater, compute.and_(compute.equal(after, before), rising))
        rising = greater
    return compute.all(rising, min_count=0).as_py()


def check_file(check, path, root):
    name = str(path.relative_to(root))
    file = pyarrow.parquet.ParquetFile(path)
    check_schema(check, name, file.schema_arrow)
    check_sorting(check, name, file.metadata)
    table = file.read(columns=SORTED_BY)
    check.that(is_ordered(table), f"{name}: rows are not in order of {SORTED_BY}")
    folders = {f"symbol={encoded(key)}" for key in compute.unique(table["symbol"]).to_pylist()}
    check.that(folders == {path.parent.name}, f"{name}: holds the symbols of {folders}")
    check.that(re.fullmatch(r"\d{4}-\d\d-\d\d", path.stem), f"{name}: not named by a day")


def pyarrow_figures(paths):
    names = ["kind", "price", "qty", "id1", "seq"]
    tables = [pyarrow.parquet.ParquetFile(path).read(columns=names) for path in paths]
    table = pyarrow.concat_tables(tables)
    for name, wide in (("price", PRICE_SUM), ("qty", QTY_SUM), ("id1", ID_SUM)):
        table = table.set_column(table.column_names.index(name), name, table[name].cast(wide))
    sums = [(name, how) for name in ("price", "qty", "id1") for how in ("count", "sum")]
    groups = table.group_by("kind").aggregate(
        [([], "count_all"), *sums, ("seq", "min"), ("seq", "max")]
    )
    columns = ["kind", "count_all", *(f"{name}_{how}" for name, how in sums), "seq_min", "seq_max"]
    rows = zip(*(groups[column].to_pylist() for column in columns))
    by_kind = {kind: Figures(*figures) for kind, *figures in rows}
    return by_kind, compute.count_distinct(table["seq"]).as_py()


def duckdb_figures(check, paths):
    source = duckdb.read_parquet([str(path) for path in paths], hive_partitioning=False)
    seen = [(name, str(kind)) for name, kind in zip(source.columns, source.types)]
    expected = [(name, kind) for name, _, kind in COLUMNS]
    different = [pair for pair in zip(seen, expected) if pair[0] != pair[1]]
    check.that(seen == expected, f"DuckDB's columns (seen, expected): {different or len(seen)}")
    rows = source.aggregate(
        "kind, count(*), count(price), sum(price), count(qty), sum(qty), count(id1), sum(id1),"
        "min(seq), max(seq)",
        "kind",
    ).fetchall()
    distinct = source.aggregate("count(DISTINCT seq)").fetchall()[0][0]
    return {kind: Figures(*figures) for kind, *figures in rows}, distinct


def check_readers(check, paths):
    """Compare the two readers; returns the figures by kind."""
    ours, distinct = pyarrow_figures(paths)
    theirs, duckdb_distinct = duckdb_figures(check, paths)
    for kind in sorted(ours | theirs):
        figures, other = ours.get(kind), theirs.get(kind)
        check.that(kind in KINDS, f"unknown kind {kind}")
        check.that(figures == other, f"kind {kind}: pyarrow {figures}, DuckDB {other}")
        if figures:
            print(
                f"{KINDS.get(kind, kind):9} N={figures.rows:<9,} seq {figures.seq_min}.."
                f"{figures.seq_max}, price {figures.price} (N={figures.prices:,}),"
                f" qty {figures.qty} (N={figures.qtys:,}), id1 {figures.id1} (N={figures.ids:,})"
            )
    rows = sum(figures.rows for figures in ours.values())
    check.equal("distinct seq, pyarrow", rows, rows, distinct)
    check.equal("distinct seq, DuckDB", rows, rows, duckdb_distinct)
    return ours


def check_capture(check, figures, captures):
    stream, _ = binance.read_stream(captures)
    trades, snapshot, diffs = stream.trades, stream.snapshot_levels, stream.depth_levels
    levels = binance.Sum()
    for part in (snapshot, diffs):
        levels.count += part.count
        levels.price += part.price
        levels.qty += part.qty
    print(f"capture: levels of the snapshot N={snapshot.count:,}, of diffs N={diffs.count:,}")
    for kind, total in ((TRADE, trades), (LEVEL, levels)):
        name, engine = KINDS[kind], figures.get(kind)
        check.that(engine, f"{name}: capture has N={total.count:,}, Parquet none")
        if engine:
            check.equal(f"{name} rows against the capture", total.count, total.count, engine.rows)
            check.equal(f"{name} sum of price", total.count, total.price, engine.price)
            check.equal(f"{name} sum of qty", total.count, total.qty, engine.qty)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--parquet", type=pathlib.Path, required=True)
    parser.add_argument("--tidegate-json", type=pathlib.Path, required=True)
    parser.add_argument("--captures", type=pathlib.Path, nargs="+", default=[])
    options = parser.parse_args()
    events = options.parquet / "events"
    paths = sorted(events.glob("symbol=*/*.parquet"))
    strays = sorted(set(events.rglob("*.parquet")) - set(paths))
    if not paths:
        sys.exit(f"no Parquet files in {events}")
    check = Check()
    check.that(not strays, f"files outside the layout: {strays}")
    for path in paths:
        check_file(check, path, events)
    print(f"files N={len(paths)}: schema, declared sorting and order read")
    if check.failed:
        # The figures need the columns; what is wrong with the files is said already.
        sys.exit(1)
    figures = check_readers(check, paths)
    answer = json.loads(options.tidegate_json.read_text(encoding="utf-8"))
    trades = figures[TRADE].rows if TRADE in figures else 0
    check.equal("Trade rows against the replay's JSON", trades, answer["trades"], trades)
    if options.captures:
        check_capture(check, figures, options.captures)
    print(f"checks passed {check.passed} of N={check.passed + check.failed}")
    sys.exit(1 if check.failed else 0)


if __name__ == "__main__":
    main()
