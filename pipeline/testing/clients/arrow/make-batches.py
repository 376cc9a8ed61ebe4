# Writes the usage batches of this folder with the real clients. Run once per version of a client:
#   pip install pyarrow pandas polars duckdb && python3 make-batches.py
# The tests read the files; versions.json says which versions wrote them.
import datetime as dt
import decimal
import json
import pathlib

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa

here = pathlib.Path(__file__).parent
at = dt.datetime(2026, 1, 2, 3, 4, 5, 678000)


def names(client):
    return {"source": client, "type": "llm.request", "subject": "acme"}


# Longer than the twelve bytes that a view holds itself.
model = "a model with a long name, größer als zwölf Bytes"


def stream(table, name, **options):
    with pa.OSFile(str(here / name), "wb") as out:
        with pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
            writer.write_table(table, max_chunksize=2)


def frame():
    rows = pd.DataFrame(
        {
            "id": ["dropped", "e1", "e2", "e3"],
            **{key: [value] * 4 for key, value in names("pandas").items()},
            "time": pd.to_datetime([at, at, at + dt.timedelta(seconds=1), None]),
            "tokens": pd.array([0, 9007199254740993, 2, None], dtype="Int64"),
            "price": [1.0, 0.1, 1e-7, float("nan")],
            "model": pd.Categorical(["x", model, "x", None]),
            "cached": [True, True, False, True],
        }
    )
    # A frame that was filtered keeps its row numbers, which pyarrow writes as the column __index_level_0__.
    return rows[rows["id"] != "dropped"]


def nested():
    rows = [
        {
            "id": "e1",
            **names("pyarrow"),
            "time": at,
            "data": {
                "tokens": 9007199254740993,
                "cost": decimal.Decimal("12.345678901200"),
                "usage": {"in": 1, "out": None, "steps": [1, None, 3]},
                "tags": [("region", "eu"), ("tier", None)],
                "day": dt.date(2026, 1, 2),
                "clock": dt.time(3, 4, 5, 600000),
                "seen": at.replace(tzinfo=dt.timezone.utc),
                "raw": "größe".encode(),
                "ok": True,
            },
        },
        {"id": "e2", **names("pyarrow"), "time": None, "data": {"tokens": 2, "usage": {"in": 2}, "tags": []}},
        {"id": "e3", **names("pyarrow"), "time": at, "data": {}},
    ]
    data = pa.struct(
        [
            ("tokens", pa.uint64()),
            ("cost", pa.decimal128(38, 12)),
            ("usage", pa.struct([("in", pa.int8()), ("out", pa.int16()), ("steps", pa.large_list(pa.int32()))])),
            ("tags", pa.map_(pa.string(), pa.large_string())),
            ("day", pa.date32()),
            ("clock", pa.time64("us")),
            ("seen", pa.timestamp("ns", "Europe/Berlin")),
            ("raw", pa.large_binary()),
            ("ok", pa.bool_()),
        ]
    )
    schema = pa.schema(
        [("id", pa.large_string())]
        + [(name, pa.string()) for name in names("pyarrow")]
        + [("time", pa.timestamp("ms")), ("data", data)]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def dictionaries():
    # Each batch has a dictionary of its own, which replaces or extends the one before it.
    def batch(ids, words):
        return pa.record_batch(
            {
                "id": pa.array(ids),
                "source": pa.array(["pyarrow-dictionaries"] * len(ids)).dictionary_encode(),
                "type": pa.array(["llm.request"] * len(ids)),
                "subject": pa.DictionaryArray.from_arrays(pa.array([0] * len(ids), pa.uint8()), pa.array(["acme"])),
                "model": pa.DictionaryArray.from_arrays(
                    pa.array(list(range(len(ids))), pa.int16()), pa.array(words, pa.large_string())
                ),
            }
        )

    return batch(["e1", "e2"], ["a", "b"]), batch(["e3", "e4", "e5"], ["a", "b", "c"])


def write_dictionaries(name, second, **options):
    first, _ = dictionaries()
    with pa.OSFile(str(here / name), "wb") as out:
        with pa.ipc.new_stream(out, first.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
            writer.write_batch(first)
            writer.write_batch(second)


def write_pandas():
    df = frame()
    stream(pa.Table.from_pandas(df), "pandas.arrows")
    df.reset_index(drop=True).to_feather(here / "pandas-feather.arrow")


def write_pyarrow():
    stream(nested(), "pyarrow-zstd.arrows", compression="zstd")
    stream(nested(), "pyarrow-lz4.arrows", compression="lz4")
    with pa.OSFile(str(here / "pyarrow-file.arrow"), "wb") as out:
        with pa.ipc.new_file(out, nested().schema) as writer:
            writer.write_table(nested())
    write_dictionaries("pyarrow-delta.arrows", dictionaries()[1], emit_dictionary_deltas=True)
    other = dictionaries()[1]
    replaced = other.set_column(
        4,
        "model",
        pa.DictionaryArray.from_arrays(pa.array([2, 1, 0], pa.int16()), pa.array(["c", "b", "a"], pa.large_string())),
    )
    write_dictionaries("pyarrow-replaced.arrows", replaced)
    lasting = pa.table({**{n: ["x"] for n in ["id", *names("pyarrow")]}, "took": pa.array([dt.timedelta(seconds=1)])})
    stream(lasting, "pyarrow-duration.arrows")


def write_polars():
    df = pl.DataFrame(
        {
            "id": ["e1", "e2"],
            **{key: [value] * 2 for key, value in names("polars").items()},
            "time": [at, None],
            "tokens": [9007199254740993, None],
            "price": pl.Series([0.1, None], dtype=pl.Float32),
            "cost": pl.Series([decimal.Decimal("12.3450"), None], dtype=pl.Decimal(38, 4)),
            "model": pl.Series([model, "x"], dtype=pl.Categorical),
            "tier": pl.Series(["gold", "free"], dtype=pl.Enum(["free", "gold"])),
            "usage": [{"in": 1, "steps": [1, 2]}, {"in": 2, "steps": None}],
        }
    )
    df.write_ipc_stream(here / "polars.arrows")
    df.write_ipc_stream(here / "polars-lz4.arrows", compression="lz4")
    df.write_ipc_stream(here / "polars-zstd.arrows", compression="zstd")
    df.write_ipc(here / "polars-file.arrow", compression="zstd")


def write_duckdb():
    con = duckdb.connect()
    con.execute("CREATE TYPE tier AS ENUM ('free', 'gold')")
    table = con.sql(
        """
        SELECT 'e' || n AS id, 'duckdb' AS source, 'llm.request' AS type, 'acme' AS subject,
               TIMESTAMP '2026-01-02 03:04:05.678' AS time,
               {
                 'tokens': CASE n WHEN 1 THEN 9007199254740993 END,
                 'total': sum(n::INTEGER) OVER (ORDER BY n),
                 'cost': 12.3450::DECIMAL(18, 4),
                 'tier': 'gold'::tier,
                 'tags': MAP {'region': 'eu'},
                 'steps': [1, 2],
                 'key': '3f333df6-90a4-4fda-8dd3-9485d27cee36'::UUID
               } AS data
        FROM range(1, 3) AS numbers(n) ORDER BY n
        """
    ).to_arrow_table()
    stream(table, "duckdb.arrows")
    stream(table, "duckdb-zstd.arrows", compression="zstd")


write_pandas()
write_pyarrow()
write_polars()
write_duckdb()
versions = {one.__name__: one.__version__ for one in (duckdb, pd, pl, pa)}
(here / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")
