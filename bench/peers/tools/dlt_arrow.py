"""dlt with Arrow tables from pyarrow's CSV reader, by COPY of CSV, its fastest way into PostgreSQL; types as
declared."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator

import dlt  # type: ignore[import-not-found, unused-ignore]
import pyarrow as pa
from pyarrow import csv

from bench.peers.tools.common import finish, options

_TYPES = {
    "id": pa.int64(), "name": pa.string(), "email": pa.string(), "city": pa.string(),
    "amount": pa.decimal128(20, 6), "rate": pa.decimal128(20, 6), "born": pa.date32(),
    "seen": pa.timestamp("us", "UTC"), "active": pa.bool_(), "visits": pa.int64(),
}  # fmt: skip


def main() -> None:
    """Load the file."""
    chosen = options()

    def tables() -> Iterator[pa.Table]:
        reading = csv.ReadOptions(block_size=16 << 20)
        with csv.open_csv(
            chosen.file, reading, convert_options=csv.ConvertOptions(column_types=_TYPES)
        ) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])

    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "peers", pipelines_dir=folder, dataset_name="public",
            destination=dlt.destinations.postgres(chosen.dsn),
        )  # fmt: skip
        try:
            pipeline.run(tables(), table_name=chosen.table, loader_file_format="csv")
        except Exception as error:
            said = str(error)
            # "Row #101: ..." counts the header.
            finish(1, said, sorted({int(row) - 1 for row in re.findall(r"Row #(\d+)", said)}))
    finish(0, "")


if __name__ == "__main__":
    main()
