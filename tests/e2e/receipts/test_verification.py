"""`ingestor verify` and receipts: what agrees is proved, and whatever is changed by hand is found."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ingestor import AsyncClient
from tests.e2e.conftest import Suite, wait_until
from tests.e2e.tables import write_pipeline, write_readings

HEADER = "id,name,amount\n"


def load(suite: Suite, folder: Path, table: str, text: str, mode: str = "append", status: int = 0) -> str:
    """Ingest a file with the readings' pipeline; the process."""
    source = folder / f"{table}.csv"
    source.write_text(HEADER + text, "utf-8")
    pipeline = write_pipeline(folder, table, mode)
    return str(suite.ingest(source, "--pipeline", str(pipeline), status=status)["process_id"])


def verify(suite: Suite, process: str, *options: str, status: int = 0) -> dict[str, Any]:
    """What `ingestor verify` says."""
    return dict(suite.json("verify", process, *options, status=status))


def messages(found: dict[str, Any]) -> list[str]:
    return [one["message"] for one in found["disagreements"]]


async def test_a_process_is_proved_and_its_receipt_checked_without_the_suite(
    suite: Suite, tmp_path: Path
) -> None:
    source = write_readings(tmp_path / "r.csv", 2000, bad_every=100)
    pipeline = write_pipeline(tmp_path, "verified")
    process = suite.ingest(source, "--pipeline", str(pipeline), status=3)["process_id"]
    receipt, key = tmp_path / "receipt.json", tmp_path / "key.pem"
    found = verify(suite, process, "-o", str(receipt))
    assert (found["agrees"], found["rows_verified"], found["rows_in_table"]) == (True, 2000, 1980)
    assert (found["left_out"], found["signed"]) == ([], True)
    key.write_text(suite.run("receipt", "key").stdout, "utf-8")

    checks = ("receipt", "check", str(receipt), "--key", str(key), "--file", str(source))
    assert suite.json(*checks)["wrong"] == []
    # As the guide says, any program can check the signature.
    document = json.loads(receipt.read_text("utf-8"))
    said = json.dumps(document["receipt"], ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    public: Any = load_pem_public_key(key.read_bytes())
    public.verify(base64.b64decode(document["signature"]["value"]), said.encode())

    document["receipt"]["process"]["counts"]["failed"] = 0
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(document), "utf-8")
    assert "does not hold" in suite.run("receipt", "check", str(forged), status=1).stdout
    source.write_text(source.read_text("utf-8").replace("1999,", "1998,"), "utf-8")
    assert "is not the file" in suite.run(*checks, status=1).stdout
    assert "is not a receipt" in suite.run("receipt", "check", str(source), status=1).stderr


async def test_what_is_changed_in_table_and_ledger_is_found(suite: Suite, tmp_path: Path) -> None:
    text = "".join(f"{n},name {n},{n if n % 10 else 'bad'}\n" for n in range(1, 61))
    process = load(suite, tmp_path, "changed_by_hand", text, status=3)
    assert verify(suite, process)["agrees"]
    for statement in (
        "DELETE FROM changed_by_hand WHERE id = 3",
        "UPDATE changed_by_hand SET amount = 7.5 WHERE id = 4",
        "INSERT INTO changed_by_hand SELECT 1000, name, 1, 20, _process_id FROM changed_by_hand WHERE id = 5",
        "INSERT INTO changed_by_hand SELECT 1001, name, 1, 99, _process_id FROM changed_by_hand WHERE id = 5",
    ):
        await suite.fetch(statement)
    found = verify(suite, process, status=1)
    assert messages(found) == [
        "Row 3: good in the file, SUCCEEDED in the ledger, not in the table.",
        "Row 4: good in the file, SUCCEEDED in the ledger, in the table with another amount.",
        "Row 20: FAILED (type-error) in the file, FAILED (type-error) in the ledger, in the table.",
        "Row 99: not in the file, not in the ledger, in the table.",
    ]
    assert (found["agrees"], found["disagreement_count"], found["rows_in_table"]) == (False, 4, 52)

    await suite.fetch(
        "UPDATE status.row_exceptions SET state = 2 WHERE process_id = $1::uuid AND row_number = 30", process
    )
    await suite.fetch(
        "DELETE FROM status.row_exceptions WHERE process_id = $1::uuid AND row_number = 40", process
    )
    said = messages(verify(suite, process, status=1))
    assert "Batch 1: the ledger counts 54 rows SUCCEEDED, and 56 of its rows are." in said
    for row, ledger in ((30, "SUCCEEDED (type-error)"), (40, "SUCCEEDED")):
        assert (
            f"Row {row}: FAILED (type-error) in the file, {ledger} in the ledger, not in the table." in said
        )
    await suite.fetch("UPDATE status.processes SET failed = 5 WHERE process_id = $1::uuid", process)
    said = messages(verify(suite, process, status=1))
    assert "The ledger counts 5 rows FAILED for the process and 6 for its batches." in said


async def test_rows_that_are_rightly_gone_are_no_disagreement(suite: Suite, tmp_path: Path) -> None:
    first = load(suite, tmp_path, "rightly_gone", "1,a,1\n2,b,2\n1,c,3\n4,d,x\n", "upsert", status=3)
    second = load(suite, tmp_path, "rightly_gone", "2,later,2\n", "upsert")
    found = verify(suite, first)
    assert (found["rows_in_table"], found["rows_replaced"]) == (1, 2)
    report = tmp_path / "report.csv"
    suite.run("report", first, "-o", str(report))
    report.write_text(report.read_text("utf-8").replace(",x,4", ",7,4", 1), "utf-8")
    repair = suite.ingest(report, "--repair", first)["process_id"]
    for process, rows in ((first, 2), (repair, 1)):
        assert verify(suite, process)["rows_in_table"] == rows
    await suite.fetch("UPDATE rightly_gone SET name = 'by hand' WHERE id = 4")
    # The values of a repaired row are those of the repair.
    assert verify(suite, first)["agrees"]
    (sentence,) = messages(verify(suite, repair, status=1))
    assert sentence.startswith("Row 1 (row 4 of the repaired process): good in the file")

    suite.json("undo", second)
    found = verify(suite, second)
    assert found["rows_in_table"] == 0 and "undone" in found["left_out"][0]
    assert verify(suite, first)["rows_replaced"] == 1
    await suite.fetch("INSERT INTO rightly_gone VALUES (9, 'again', 1, 1, $1::uuid)", second)
    (sentence,) = messages(verify(suite, second, status=1))
    assert "which was undone, in the table" in sentence
    suite.json("delete", first)
    assert "PROCESS_DELETED" in suite.run("verify", first, status=1).stderr


async def test_rows_without_a_pipeline(suite: Suite, tmp_path: Path) -> None:
    rows = suite.ingest(write_readings(tmp_path / "r.csv", 300))["process_id"]
    assert verify(suite, rows)["rows_in_table"] == 300
    await suite.fetch(
        """UPDATE ingested_rows SET data = data || '{"name": "x"}'
        WHERE _process_id = $1::uuid AND _row_number = 7""",
        rows,
    )
    (sentence,) = messages(verify(suite, rows, status=1))
    assert sentence == "Row 7: good in the file, SUCCEEDED in the ledger, in the table with another data."


async def test_an_expired_process_is_compared_by_its_counts(suite: Suite, tmp_path: Path) -> None:
    process = load(suite, tmp_path, "verified_expired", "1,a,1\n2,b,2\n3,c,x\n", status=3)
    await suite.fetch(
        "UPDATE status.processes SET ended_at = now() - interval '31 days' WHERE process_id = $1::uuid",
        process,
    )
    wait_until(lambda: suite.json("status", process, status=3)["expired"], "the expiry")
    found = verify(suite, process)
    assert found["rows_in_table"] == 2 and "has expired" in found["left_out"][0]
    await suite.fetch("DELETE FROM verified_expired WHERE id = 2")
    assert messages(verify(suite, process, status=1)) == [
        "Batch 1: 2 rows should be in the table by the ledger, and 1 are."
    ]


async def test_a_lost_file_is_said_and_a_changed_one_is_found(suite: Suite, tmp_path: Path) -> None:
    process = load(suite, tmp_path, "verified_file", "1,a,1\n2,b,2\n")
    ((key,),) = await suite.fetch(
        "SELECT file_key FROM orchestrator.ingestions WHERE process_id = $1::uuid", process
    )
    stored = Path(suite.data) / "files" / key
    kept = stored.read_bytes()
    stored.write_bytes(kept.replace(b"b,2", b"x,9"))
    (sentence,) = messages(verify(suite, process, status=1))
    assert "Row 2: good in the file" in sentence and "another name, amount" in sentence
    stored.write_bytes(kept.replace(b"1,a", b"1\na"))
    assert "the stored file no longer has its rows" in messages(verify(suite, process, status=1))[0]
    stored.unlink()
    found = verify(suite, process)
    assert found["agrees"] and found["left_out"] == ["The file was not compared: it is no longer stored."]


async def test_a_sample_and_a_running_process(suite: Suite, client: AsyncClient, tmp_path: Path) -> None:
    process = load(suite, tmp_path, "sampled", "".join(f"{n},a,1\n" for n in range(1, 501)))
    assert verify(suite, process, "--sample", "20")["rows_verified"] == 20
    await suite.fetch("DELETE FROM sampled")
    found = await (await client.process(process)).verify(sample=20)
    assert (found.agrees, found.disagreement_count, found.rows_verified) == (False, 20, 20)
    await suite.fetch(
        "UPDATE status.processes SET ended_at = NULL, state = 3 WHERE process_id = $1::uuid", process
    )
    assert "PROCESS_RUNNING" in suite.run("verify", process, status=1).stderr
    await suite.fetch(
        "UPDATE status.processes SET ended_at = now(), state = 5 WHERE process_id = $1::uuid", process
    )


def test_a_file_that_is_converted(suite: Suite, tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps({"id": n, "name": f"ä {n}"}) + "\n" for n in range(50)), "utf-8")
    process = suite.ingest(source)["process_id"]
    receipt = tmp_path / "receipt.json"
    assert verify(suite, process, "-o", str(receipt))["rows_in_table"] == 50
    assert suite.json("receipt", "check", str(receipt), "--file", str(source))["wrong"] == []
