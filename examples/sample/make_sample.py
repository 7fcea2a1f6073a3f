"""Makes customers.csv, the same on every run: 1 000 records, some of them bad on purpose.

python examples/sample/make_sample.py
"""

from __future__ import annotations

import csv
import io
import random
from datetime import date, timedelta
from pathlib import Path

RECORDS = 1_000
HEADER = ["customer_id", "name", "email", "country", "signed_up", "credit_limit", "active", "notes"]
FIRST = [
    "Ada",
    "Björn",
    "Chloé",
    "Dmitri",
    "Emeka",
    "Fátima",
    "Grace",
    "Hiroko",
    "Inés",
    "Jürgen",
    "Linh",
    "Zoë",
]
LAST = ["Müller", "O'Neill", "García", "Nowak", "Okafor", "Sørensen", "Tanaka", "de Vries", "Yılmaz", "Smith"]
COUNTRIES = ["DE", "FR", "ES", "PL", "NG", "DK", "JP", "NL", "TR", "GB"]
NOTES = [
    "",
    "",
    "",
    "prefers e-mail",
    'calls herself "Boss"',
    "two addresses:\nhome and office",
    "VIP, see file",
]


def good(number: int, rng: random.Random) -> list[str]:
    """A record that fits the pipeline."""
    first, last = rng.choice(FIRST), rng.choice(LAST)
    return [
        str(number),
        f"{first} {last}",
        f"user{number}@example.com",
        rng.choice(COUNTRIES),
        (date(2019, 1, 1) + timedelta(days=rng.randrange(2_500))).isoformat(),
        f"{rng.randrange(0, 2_000_000) / 100:.2f}",
        rng.choice(["true", "false"]),
        rng.choice(NOTES),
    ]


def text(record: list[str]) -> str:
    """A record in the form of RFC 4180."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerow(record)
    return buffer.getvalue()


def main() -> None:
    """Write customers.csv next to this file."""
    rng = random.Random(7)  # noqa: S311 - the same sample every time
    records = {number: text(good(number, rng)) for number in range(1, RECORDS + 1)}

    def spoil(number: int, **cells: str) -> None:
        """Replace cells of a record."""
        record = dict(zip(HEADER, good(number, rng), strict=True)) | cells
        records[number] = text(list(record.values()))

    spoil(57, credit_limit="12,5")  # a decimal comma
    spoil(101, credit_limit="unlimited")
    spoil(144, credit_limit="-20.00")  # below the minimum
    spoil(180, signed_up="2021-02-30")  # no such day
    spoil(233, signed_up="03/04/2021")
    spoil(290, email="not an address")
    spoil(310, email="")  # required
    spoil(377, country="Germany")
    spoil(402, country="XX", email="also wrong", credit_limit="much")  # three errors at once
    spoil(450, active="maybe")
    spoil(512, customer_id="12x")
    spoil(555, customer_id="1")  # taken
    spoil(610, customer_id="")
    spoil(666, name="")
    records[700] = "700,Too,Many,Cells,DE,2020-01-01,10.00,true,x,y,z\r\n"
    records[725] = "725,Too Few\r\n"
    records[750] = "\r\n"  # a blank line is skipped, not failed
    records[777] = '777,Bad "Quote" Inside,user777@example.com,DE,2020-01-01,10.00,true,\r\n'
    records[801] = '801,"never closed,user801@example.com,DE,2020-01-01,10.00,true,\r\n'
    spoil(850, name="Robert'); DROP TABLE customers;--")  # good: only a name
    spoil(900, credit_limit="NaN")
    spoil(950, name="x" * 101)  # too long
    body = text(HEADER) + "".join(records[number] for number in sorted(records))
    Path(__file__).with_name("customers.csv").write_bytes(body.encode())


if __name__ == "__main__":
    main()
