"""Failed rows come back: from a corrected report, however a person's program changed it, and by a retry."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.e2e.conftest import Suite, wait_until
from tests.e2e.tables import readings_pipeline, write_pipeline, write_readings

HEADER = "id,name,amount\n"
# Rows 2 to 7 fail: by type, by their number of cells, by their quotes; names begin like formulas.
MESSY = (
    HEADER + "1,one,1.5\n2,=2+2,two\n3,'=three,n/a\n4,four,4.5,too much\n5,five\n"
    '6,"si"x,6.5\n7,-seven,7.5.0\n\n9,nine,9.5\n'
)
WHOLE = [
    (1, "one", Decimal("1.5")),
    (2, "=2+2", Decimal(2)),
    (3, "'=three", Decimal(3)),
    (4, "four", Decimal("4.5")),
    (5, "five", Decimal(5)),
    (6, "six", Decimal("6.5")),
    (7, "-seven", Decimal("7.5")),
    (9, "nine", Decimal("9.5")),
]
NUMBERS = [1, 2, 3, 4, 5, 6, 7, 9]
AMOUNTS = {2: "2", 3: "3", 4: "4.5", 5: "5", 6: "6.5", 7: "7.5"}
NAMES = {4: "four", 5: "five", 6: "six"}  # of records that could not be split


def corrected(row: dict[str, str]) -> dict[str, str]:
    """The row with right cells; what a person need not touch is left as the report has it."""
    number = int(row["_row"])
    if number in NAMES:
        row |= {"id": str(number), "name": NAMES[number]}
    return row | {"amount": AMOUNTS.get(number, row["amount"])}


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a report as a program reads them."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def as_european_csv(report: Path, target: Path) -> Path:
    """Semicolons, a byte order mark, columns in another order, one of the person's own, rows from the end."""
    rows = [corrected(row) for row in reversed(read_csv(report))]
    names = ["_message", "amount", "_row", "name", "checked by", "id"]
    target = target.with_suffix(".csv")
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, names, restval="me", extrasaction="ignore", delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    return target


def csv_as_workbook(report: Path, target: Path) -> Path:
    """The CSV report saved as a workbook, numbers as numbers."""
    rows = [corrected(row) for row in read_csv(report)]
    book = openpyxl.Workbook()
    sheet = book.create_sheet("Corrected", 0)
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append([int(cell) if cell.isdigit() else cell or None for cell in row.values()])
        for cell in sheet[sheet.max_row]:
            if isinstance(cell.value, str):
                cell.data_type = "s"
    target = target.with_suffix(".xlsx")
    book.save(target)
    return target


def workbook_edited(report: Path, target: Path) -> Path:
    """The workbook opened, its cells set, and saved."""
    book = openpyxl.load_workbook(report)
    sheet = book["Rows"]
    places = {str(cell.value): place for place, cell in enumerate(sheet[1], 1)}
    for line in range(2, sheet.max_row + 1):
        found = {name: str(sheet.cell(line, place).value or "") for name, place in places.items()}
        for name, value in corrected(found).items():
            sheet.cell(line, places[name]).value = value or None
            sheet.cell(line, places[name]).data_type = "s"
    target = target.with_suffix(".xlsx")
    book.save(target)
    return target


def workbook_as_csv(report: Path, target: Path) -> Path:
    """The workbook saved as tab-separated text."""
    sheet = openpyxl.load_workbook(report)["Rows"]
    (head, *lines) = [[str(value or "") for value in line] for line in sheet.iter_rows(values_only=True)]
    target = target.with_suffix(".tsv")
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(head)
        writer.writerows(corrected(dict(zip(head, line, strict=True))).values() for line in lines)
    return target


def json_edited(report: Path, target: Path) -> Path:
    """Objects with other cells, their keys in another order."""
    made = []
    for line in report.read_text("utf-8").splitlines():
        found = json.loads(line)
        cells = {"id": "", "name": "", "amount": ""} | found["cells"]
        cells = corrected({**cells, "_row": str(found["row"])})
        amount = cells["amount"]
        found["cells"] = {
            "amount": float(amount) if amount else None, "name": cells["name"], "id": cells["id"]
        }  # fmt: skip
        if found["state"] == "FAILED":
            made.append(json.dumps(dict(reversed(found.items()))))
    target = target.with_suffix(".jsonl")
    target.write_text("\n".join(made), "utf-8")
    return target


WAYS: dict[str, tuple[str, Callable[[Path, Path], Path]]] = {
    "european-csv": ("csv", as_european_csv),
    "csv-as-workbook": ("csv", csv_as_workbook),
    "workbook": ("xlsx", workbook_edited),
    "workbook-as-csv": ("xlsx", workbook_as_csv),
    "json": ("jsonl", json_edited),
}


def messy_process(suite: Suite, folder: Path, table: str, mode: str = "append") -> str:
    """A process of MESSY."""
    source = folder / "messy.csv"
    source.write_text(MESSY, "utf-8")
    pipeline = write_pipeline(folder, table, mode)
    answer = suite.ingest(source, "--pipeline", str(pipeline), status=3)
    assert answer["counts"] == {"read": 9, "succeeded": 2, "failed": 6, "skipped": 1, "unprocessed": 0}
    return str(answer["process_id"])


def report_of(suite: Suite, folder: Path, process: str, kind: str = "csv", *more: str) -> Path:
    """A report in a file."""
    path = folder / f"report-of-{process}.{kind}"
    suite.run("report", process, "-o", str(path), *more)
    return path


async def rows_of(suite: Suite, table: str, process: str) -> list[tuple[Any, ...]]:
    """What the table has of a process."""
    return await suite.fetch(
        f"SELECT _row_number, id, name, amount FROM {table} WHERE _process_id = $1::uuid ORDER BY 1",
        process,
    )


@pytest.mark.parametrize("rows", ["rejected", "all"])
@pytest.mark.parametrize("way", WAYS)
async def test_every_row_ends_in_the_table_under_its_number(
    suite: Suite, tmp_path: Path, way: str, rows: str
) -> None:
    table = f"repaired_{way.replace('-', '_')}_{rows}"
    process = messy_process(suite, tmp_path, table)
    kind, edit = WAYS[way]
    report = report_of(suite, tmp_path, process, kind, "--rows", rows)
    answer = suite.ingest(edit(report, tmp_path / "corrected"), "--repair", process)
    assert answer["state"] == "COMPLETED"
    assert (answer["counts"]["succeeded"], answer["counts"]["failed"]) == (6, 0)
    assert answer["repairs_process_id"] == answer["repaired"]["process_id"] == process
    assert answer["repaired"]["state"] == "COMPLETED"
    assert answer["repaired"]["counts"] == {
        "read": 9, "succeeded": 8, "failed": 0, "skipped": 1, "unprocessed": 0
    }  # fmt: skip
    expected = [(number, *row) for number, row in zip(NUMBERS, WHOLE, strict=True)]
    assert await rows_of(suite, table, process) == expected
    assert await suite.fetch(f"SELECT count(*) FROM {table}") == [(8,)]

    assert suite.json("status", process)["state"] == "COMPLETED"
    assert suite.json("errors", process)["groups"] == []
    assert suite.json("rows", process, "--filter", "status=FAILED")["rows"] == []
    row = suite.json("row", process, "2")
    assert (row["state"], row["errors"]) == ("SUCCEEDED", [])
    (before,) = row["history"]
    assert (before["repair_process_id"], before["cells"]) == (answer["process_id"], ["2", "=2+2", "two"])
    assert [error["code"] for error in before["errors"]] == ["type-error"]
    events = suite.json("events", process)["events"]
    (repaired,) = [event for event in events if event["type"] == "rows.repaired"]
    assert repaired["data"]["succeeded"] == 6
    listed = suite.json("processes", "--filter", f'repairs="{process}"')["processes"]
    assert [found["info"]["process_id"] for found in listed] == [answer["process_id"]]


async def test_rows_that_are_still_wrong_have_new_reasons_and_can_come_once_more(
    suite: Suite, tmp_path: Path
) -> None:
    process = messy_process(suite, tmp_path, "repaired_twice")
    lines = [
        "_row,id,name,amount", "2,2,=2+2,2", "3,x,three,never", "4,1,four,4.5", "5,,five,5", "1,1,one,9",
        "8,8,eight,8", "99,99,x,1", "seven,7,x,7", "2,2,again,2", "6,,,",
    ]  # fmt: skip
    (tmp_path / "first.csv").write_text("\n".join(lines), "utf-8")
    answer = suite.ingest(tmp_path / "first.csv", "--repair", process, status=3)
    first = answer["process_id"]
    assert answer["counts"] == {"read": 10, "succeeded": 1, "failed": 6, "skipped": 3, "unprocessed": 0}
    assert answer["repaired"]["counts"] == {
        "read": 9, "succeeded": 3, "failed": 5, "skipped": 1, "unprocessed": 0
    }  # fmt: skip
    assert answer["repaired"]["state"] == "COMPLETED_WITH_ERRORS"
    here = {row["row_number"]: row for row in suite.json("rows", first)["rows"]}
    codes = [[error["code"] for error in here[number]["errors"]] for number in range(1, 11)]
    assert codes == [
        [], ["type-error", "type-error"], ["primary-key"], ["constraint-error"], ["not-failed"],
        ["not-failed"], ["row-number"], ["row-number"], ["repeated-row"], ["blank-row"],
    ]  # fmt: skip
    assert here[3]["repairs_row"] == 4
    there = suite.json("row", process, "3")
    assert (there["state"], there["cells"]) == ("FAILED", ["x", "three", "never"])
    assert [error["field"] for error in there["errors"]] == ["id", "amount"]
    assert there["repaired_by_process_id"] == first
    assert there["history"][0]["cells"] == ["3", "'=three", "n/a"]
    assert suite.json("row", process, "6")["repaired_by_process_id"] == ""
    groups = {(g["code"], g["field"]): g["count"] for g in suite.json("errors", process)["groups"]}
    assert groups == {
        ("type-error", "id"): 1, ("type-error", "amount"): 2, ("primary-key", "id"): 1,
        ("constraint-error", "id"): 1, ("quote-error", ""): 1,
    }  # fmt: skip
    text = suite.run("status", first, status=3).stdout
    assert f"repairs {process}" in text
    assert re.search(r"9\s+3\s+5\s+1\s+0", text)
    assert f"when {first} repaired it" in suite.run("row", process, "3").stdout

    # The report of the repair has the first process's numbers, and repairs that one too.
    report = report_of(suite, tmp_path, first)
    found = read_csv(report)
    assert [row["_row"] for row in found] == ["3", "4", "5", "1", "8", "", "", "", ""]
    assert found[1] | {"_message": ""} == {
        "id": "1", "name": "four", "amount": "4.5", "_row": "4", "_line": "4", "_code": "primary-key",
        "_field": "id", "_value": "1", "_message": "",
    }  # fmt: skip
    rows = [corrected(row) | {"id": row["_row"]} for row in found if row["_row"] in ("3", "4", "5")]
    rows += [{"_row": "6", "id": "6", "name": "six", "amount": "6.5"}]
    rows += [{"_row": "7", "id": "7", "name": "-seven", "amount": "7.5"}]
    with (tmp_path / "second.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(found[0]))
        writer.writeheader()
        writer.writerows(rows)
    answer = suite.ingest(tmp_path / "second.csv", "--repair", first)
    assert answer["repaired"]["process_id"] == process
    assert answer["repaired"]["state"] == "COMPLETED"
    expected = [(number, *row) for number, row in zip(NUMBERS, WHOLE, strict=True)]
    expected[2] = (3, 3, "three", Decimal(3))
    assert await rows_of(suite, "repaired_twice", process) == expected
    assert len(suite.json("row", process, "3")["history"]) == 2

    # Nothing is left to repair or to retry.
    done = suite.run("ingest", str(tmp_path / "second.csv"), "--repair", process, status=1)
    assert "NOTHING_TO_REPAIR" in done.stderr
    assert "NOTHING_TO_RETRY" in suite.run("retry", process, status=1).stderr


async def test_a_report_that_comes_twice_loads_nothing_twice(suite: Suite, tmp_path: Path) -> None:
    process = messy_process(suite, tmp_path, "repaired_again")
    path = tmp_path / "corrected.csv"
    path.write_text("_row,id,name,amount\n2,2,two,2\n3,3,three,3\n", "utf-8")
    assert suite.ingest(path, "--repair", process)["counts"]["succeeded"] == 2
    again = suite.ingest(path, "--repair", process)
    assert again["counts"] == {"read": 2, "succeeded": 0, "failed": 0, "skipped": 2, "unprocessed": 0}
    assert again["state"] == "COMPLETED"
    assert again["repaired"]["counts"]["succeeded"] == 4
    assert await suite.fetch("SELECT count(*) FROM repaired_again") == [(4,)]


async def test_two_repairs_at_once_load_each_row_once(suite: Suite, tmp_path: Path) -> None:
    rows = 6_000
    # Without a primary key nothing but the suite itself keeps a row from being there twice.
    document = readings_pipeline("repaired_at_once")
    del document["schema"]["primaryKey"]
    pipeline = tmp_path / "p.json"
    pipeline.write_text(json.dumps(document), "utf-8")
    await suite.fetch(
        "CREATE TABLE repaired_at_once (id bigint, name text, amount numeric, _row_number bigint, "
        "_process_id uuid)"
    )
    await suite.fetch("ALTER TABLE repaired_at_once OWNER TO ingestor_processor")
    source = write_readings(tmp_path / "r.csv", rows, bad_every=1)
    process = suite.ingest(source, "--pipeline", str(pipeline), status=3)["process_id"]
    paths = []
    for number in range(3):
        path = tmp_path / f"corrected-{number}.csv"
        order = range(1, rows + 1) if number != 1 else range(rows, 0, -1)
        path.write_text("_row,id,name,amount\n" + "".join(f"{n},{n},x,{n}\n" for n in order), "utf-8")
        paths.append(path)
    answers = await asyncio.gather(
        *(
            asyncio.to_thread(suite.json, "ingest", str(path), "--repair", process, status=None)
            for path in paths
        )
    )
    assert {answer["counts"]["failed"] for answer in answers} == {0}
    assert sum(answer["counts"]["succeeded"] for answer in answers) == rows
    assert suite.json("status", process)["counts"] == {
        "read": rows, "succeeded": rows, "failed": 0, "skipped": 0, "unprocessed": 0
    }  # fmt: skip
    assert await suite.fetch("SELECT count(*), count(DISTINCT _row_number) FROM repaired_at_once") == [
        (rows, rows)
    ]


def kill(suite: Suite, service: str) -> None:
    """Kill a service, and wait for the next one."""
    pid = suite.pid(service)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: suite.pid(service) != pid, f"a new {service}")


async def test_services_killed_in_mid_repair_load_nothing_twice(suite: Suite, tmp_path: Path) -> None:
    rows = 60_000
    pipeline = write_pipeline(tmp_path, "repaired_killed")
    source = write_readings(tmp_path / "r.csv", rows, bad_every=1)
    process = suite.ingest(source, "--pipeline", str(pipeline), status=3)["process_id"]
    path = tmp_path / "corrected.csv"
    path.write_text(
        "_row,id,name,amount\n" + "".join(f"{n},{n},{'x' * 90},{n}\n" for n in range(1, rows + 1))
    )
    repair = suite.json("ingest", str(path), "--repair", process, "--no-wait")["process_id"]

    def begun() -> bool:
        return int(suite.json("status", repair, status=None)["batches_dispatched"]) >= 1

    wait_until(begun, "a batch of the repair")
    for service in ("processor", "status", "processor"):
        kill(suite, service)
    answer = suite.json("watch", repair)
    assert answer["counts"] == {
        "read": rows, "succeeded": rows, "failed": 0, "skipped": 0, "unprocessed": 0
    }  # fmt: skip
    assert suite.json("status", process)["counts"]["succeeded"] == rows
    assert await suite.fetch(
        "SELECT count(*), count(DISTINCT _row_number), bool_and(id = _row_number), "
        "array_agg(DISTINCT _process_id::text) FROM repaired_killed"
    ) == [(rows, rows, True, [process])]


async def test_a_retry_after_the_other_table_has_the_row(suite: Suite, tmp_path: Path) -> None:
    await suite.fetch("CREATE TABLE repaired_customers (id bigint PRIMARY KEY)")
    await suite.fetch("INSERT INTO repaired_customers SELECT generate_series(1, 10)")
    await suite.fetch("GRANT SELECT, REFERENCES ON repaired_customers TO ingestor_processor")
    document = {
        "name": "repaired-orders",
        "schema": {
            "fields": [{"name": "number", "type": "integer"}, {"name": "customer", "type": "integer"}],
            "foreignKeys": [
                {"fields": "customer", "reference": {"resource": "repaired_customers", "fields": "id"}}
            ],
        },
        "sink": {"table": "repaired_orders"},
    }
    (tmp_path / "p.json").write_text(json.dumps(document), "utf-8")
    source = tmp_path / "orders.csv"
    lines = [f"{number},{'x' if number == 7 else number % 20 + 1}" for number in range(1, 2001)]
    source.write_text("number,customer\n" + "\n".join(lines), "utf-8")
    answer = suite.ingest(source, "--pipeline", str(tmp_path / "p.json"), status=3)
    process = answer["process_id"]
    assert answer["counts"]["failed"] == 1_001
    # One of them is corrected, and fails once more; its cells are in no stored file of the process.
    path = tmp_path / "corrected.csv"
    path.write_text("_row,number,customer\n10,10,15\n", "utf-8")
    suite.ingest(path, "--repair", process, status=3)

    again = suite.json("retry", process, status=3)
    assert (again["counts"]["read"], again["counts"]["failed"]) == (999, 999)
    assert again["repaired"]["counts"]["failed"] == 1_001
    await suite.fetch("INSERT INTO repaired_customers SELECT generate_series(11, 20)")
    done = suite.json("retry", process)
    assert done["counts"] == {"read": 999, "succeeded": 999, "failed": 0, "skipped": 0, "unprocessed": 0}
    assert done["repaired"]["counts"] == {
        "read": 2000, "succeeded": 1998, "failed": 2, "skipped": 0, "unprocessed": 0
    }  # fmt: skip
    told = suite.run("retry", process, status=1).stderr
    assert "NOTHING_TO_RETRY" in told
    assert "corrected" in told
    assert suite.ingest(path, "--repair", process)["repaired"]["counts"]["failed"] == 1
    rows = await suite.fetch("SELECT _row_number, number, customer FROM repaired_orders ORDER BY 1")
    expected = [(n, n, n % 20 + 1) for n in range(1, 2001) if n != 7]
    expected[expected.index((10, 10, 11))] = (10, 10, 15)
    assert rows == expected
    assert await suite.fetch("SELECT DISTINCT _process_id::text FROM repaired_orders") == [(process,)]


async def test_a_repaired_row_stands_in_the_order_of_its_first_file(suite: Suite, tmp_path: Path) -> None:
    process = messy_process(suite, tmp_path, "repaired_upserts", "upsert")
    later = tmp_path / "later.csv"
    later.write_text(f"{HEADER}2,later,22\n", "utf-8")
    suite.ingest(later, "--pipeline", "repaired-upserts")
    path = tmp_path / "corrected.csv"
    path.write_text("_row,id,name,amount\n2,2,two,2\n3,3,three,3\n", "utf-8")
    assert suite.ingest(path, "--repair", process)["counts"]["succeeded"] == 2
    rows = await suite.fetch("SELECT id, name FROM repaired_upserts WHERE id IN (2, 3) ORDER BY id")
    assert rows == [(2, "later"), (3, "three")]


async def test_rows_without_a_pipeline_are_repaired_as_json(suite: Suite, tmp_path: Path) -> None:
    source = tmp_path / "any.csv"
    source.write_text("a,b\n1,2\n3\n", "utf-8")
    process = suite.ingest(source, status=3)["process_id"]
    report = report_of(suite, tmp_path, process)
    report.write_bytes(report.read_bytes().replace(b"\r\n,,2", b"\r\n3,,2"))
    assert suite.ingest(report, "--repair", process)["repaired"]["state"] == "COMPLETED"
    rows = await suite.fetch(
        "SELECT _row_number, data::text FROM ingested_rows WHERE _process_id = $1::uuid ORDER BY 1", process
    )
    assert [(number, json.loads(data)) for number, data in rows] == [
        (1, {"a": "1", "b": "2"}),
        (2, {"a": "3", "b": ""}),
    ]


def test_what_cannot_be_repaired_is_refused(suite: Suite, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n", "utf-8")
    nobody = "00000000-0000-7000-8000-000000000000"
    assert "PROCESS_NOT_FOUND" in suite.run("ingest", str(path), "--repair", nobody, status=1).stderr
    assert "PROCESS_NOT_FOUND" in suite.run("retry", nobody, status=1).stderr
    process = messy_process(suite, tmp_path, "not_repaired")
    answer = suite.ingest(path, "--repair", process, status=1)
    assert answer["state"] == "FAILED"
    assert answer["failure"]["reason"] == "NOT_A_REPORT"
    assert '"_row", "id", "name", "amount"' in answer["failure"]["message"]
    assert answer["repaired"]["counts"]["failed"] == 6
    assert suite.run("ingest", str(path), "--repair", process, "--pipeline", "p", status=2)
