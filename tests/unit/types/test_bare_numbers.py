"""bareNumber: false: what stands around a number goes, and nothing becomes another number."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.pipelines.document import Field
from ingestor.types.type import ValueFormatError
from tests.examples import examples
from tests.unit.checking.check_tables import check_column

NUMBER: dict[str, Any] = {"type": "number", "bareNumber": False}
GERMAN = {**NUMBER, "decimalChar": ",", "groupChar": "."}
FRENCH = {**NUMBER, "decimalChar": ",", "groupChar": " "}
INTEGER: dict[str, Any] = {"type": "integer", "bareNumber": False}
ACCOUNTING: dict[str, Any] = {"type": "number", "accounting": True, "groupChar": ","}
SWISS = {"type": "number", "groupChar": "'"}
BLANKS = {"type": "number", "groupChar": " ", "decimalChar": ","}

GOOD = [
    (
        NUMBER,
        {
            "95": "95",
            "-$5.00": "-5.00",
            "-€ 5": "-5",
            "- £5": "-5",
            "+¥5": "5",
            "-EUR 5.00": "-5.00",
            "-EUR5": "-5",
            "95%": "95",
            "€95": "95",
            "EUR 95": "95",
            "95 EUR": "95",
            "$1.50": "1.50",
            "-5 %": "-5",
            "€-5": "-5",
            "EUR -5": "-5",
            "€+5": "5",
            "1e3 kg": "1000",
            ".5%": "0.5",
            "-.5": "-0.5",
            "5.": "5",
            "5.%": "5",
            "Fr. 95": "95",
            "95 Fr.": "95",
            " 5 ": "5",
            "5\n": "5",
            "95 (est.)": "95",
            "20°C": "20",
            "5EUR": "5",
            "Rs 9007199254740993": "9007199254740993",
            "1e400 m": "1e400",
            "0.10000000000000000000000000000000000001‰": "0.10000000000000000000000000000000000001",
        },
    ),
    (GERMAN, {"1.234,50 €": "1234.50", "€ 1.234.567": "1234567", "12,5%": "12.5", "EUR -1,5": "-1.5"}),
    (FRENCH, {"1 234,5 €": "1234.5", "95 %": "95", "EUR 1 234": "1234"}),
    (
        INTEGER,
        {"95%": "95", "No. 7": "7", "€-12": "-12", "007 x": "7", "x 9223372036854775807": str(2**63 - 1)},
    ),
    ({**INTEGER, "groupChar": ","}, {"$1,234": "1234", "1,234,567 pcs": "1234567"}),
    (ACCOUNTING, {"(5.00)": "-5.00", "5.00-": "-5.00", "1,234 -": "-1234", "-5": "-5", "5": "5"}),
    (
        {**ACCOUNTING, "bareNumber": False},
        {
            "($5.00)": "-5.00",
            "$ (1,234.50)": "-1234.50",
            "(5.00) €": "-5.00",
            "5.00- €": "-5.00",
            "$5.00-": "-5.00",
            "(EUR 5)": "-5",
            "$5": "5",
            "-$5": "-5",
        },
    ),
    (SWISS, {"1'234.50": "1234.50", "1’234’567": "1234567", "12": "12"}),
    (BLANKS, {"1 234,5": "1234.5", "1\u00a0234": "1234", "1\u202f234\u2009567": "1234567"}),
]
BAD = [
    (
        NUMBER,
        [
            "",
            "%",
            "EUR",
            "1 95%",
            "12-",
            "--5",
            "5 6",
            "+-5",
            "(5)",
            "€(5)",
            "<5",
            ">5",
            "~5",
            "±5",
            "≤5",
            "−5",
            "–5",
            "5–",
            "5,–",
            "95.-",
            "Rs.500",
            "$.50",
            "No-5",
            "EUR-5",
            "1,95",
            "1_000",
            "5e",
            "5E",
            "0x1F",
            "1.2.3",
            "95..",
            "..5",
            "½",
            "5½",
            "5²",
            "95 m²",
            "٥",
            "５",
            "5٥",
            "NaN",
            "INF",
            "nan%",
            "1/2",
            "10-20",
            "5 – 6",
            "1e131072 m",
            "1e-16384%",
            "x" * 2000,
        ],
    ),
    (GERMAN, ["1.5", "1.23 €", "12.34,5%", "5,-", "1,2,3", "€,5"]),
    (FRENCH, ["1 95%", "5 6", "12 34", "1 234 5"]),
    (INTEGER, ["1.5%", "1e3", "12-", "x 9223372036854775808", "5 6", "1,234"]),
    ({**INTEGER, "groupChar": ","}, ["$1,23", "1,2345", "1,234.5"]),
    (
        ACCOUNTING,
        ["(-5)", "-(5)", "-5-", "(5", "5)", "()", "-", "(5)-", "($5)", "$5", "5--", "(1,23)"],
    ),
    ({**ACCOUNTING, "bareNumber": False}, ["(-$5)", "-($5)", "($-5)", "(5)(6)", "$5-6", "(5) (est.)", "5-x"]),
    (SWISS, ["1'23", "1`234", "1,234"]),
    (BLANKS, ["1  234", "1\u200b234", "12 34"]),
]


def read(field: dict[str, Any], text: str) -> Decimal | None:
    """The value, by the column's rule; the rule for one value must agree."""
    checked = check_column(["1", text, "2"], field, missingValues=["none"])
    one = Field.model_validate({"name": "f", **field})
    if checked.rejected:
        (row,) = checked.rejected
        assert (row.row_number - 1, [problem.code for problem in row.errors]) == (1, ["type-error"])
        assert row.errors[0].value == text[:1024]
        with pytest.raises(ValueFormatError):
            one.kind.parse(text)
        return None
    value = Decimal(str(checked.good.column("f").to_pylist()[1]))
    assert one.kind.parse(text) == value
    return value


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [(field, text, value) for field, texts in GOOD for text, value in texts.items()],
)
def test_what_is_not_numeric_goes(field: dict[str, Any], text: str, value: str) -> None:
    assert read(field, text) == Decimal(value)


@pytest.mark.parametrize(("field", "text"), [(field, text) for field, texts in BAD for text in texts])
def test_what_may_be_another_number_is_an_error(field: dict[str, Any], text: str) -> None:
    assert read(field, text) is None


def test_bare_numbers_are_the_default() -> None:
    assert read({"type": "number"}, "95%") is None
    assert read({"type": "integer", "bareNumber": True}, "95%") is None


def test_the_message_names_the_marks() -> None:
    checked = check_column(["1.5", "x"], GERMAN)
    assert checked.rejected[0].errors[0].message == (
        'f: "1.5" is not a number with the decimal mark "," and the group mark ".", '
        "nor one with something around it that is not numeric"
    )


def test_constraints_see_the_number() -> None:
    field = {**NUMBER, "constraints": {"maximum": "100 %", "enum": ["5%", "€ 7", 101, "100.00"]}}
    checked = check_column(["5.0", "7", "101 %", "8%", "100"], field)
    errors = [(row.row_number - 1, [problem.message for problem in row.errors]) for row in checked.rejected]
    assert errors == [
        (2, ['f: "101 %" is more than the maximum "100 %"']),
        (3, ['f: "8%" is not in the enum "5%", "€ 7", 101, "100.00"']),
    ]
    assert checked.good.column("f").to_pylist() == ["5.0", "7", "100"]


AROUND = st.text(st.sampled_from("€$%°EURkg \tÄ漢.,"), max_size=6)


@settings(max_examples=examples(300))
@given(
    number=st.decimals(allow_nan=False, allow_infinity=False, places=3) | st.integers(-(10**20), 10**20),
    before=AROUND,
    behind=AROUND,
)
def test_around_a_number_it_is_the_same_number_or_an_error(
    number: Decimal | int, before: str, behind: str
) -> None:
    if before == ".":
        before = ".."  # with one it is a fraction
    value = read(NUMBER, f"{before}{number}{behind}")
    assert value in (None, Decimal(number))
    clear = not before.endswith((".", *"EURkgÄ漢")) or (number >= 0 and before[-1] != ".")
    if clear and not behind.startswith((".", "E")):
        assert value == Decimal(number)


@settings(max_examples=examples(300))
@given(text=st.text(st.sampled_from("0159.,-+eE €%(x−½"), max_size=8))
def test_a_number_is_all_the_digits_that_there_are(text: str) -> None:
    value = read(NUMBER, text)
    if value is None:
        return
    digits = "".join(character for character in text if character.isdigit())
    mantissa = "".join(map(str, value.as_tuple().digits)).lstrip("0")
    assert "e" in text.lower() or digits.lstrip("0").rstrip("0") == mantissa.rstrip("0")
    assert (value < 0) <= ("-" in text)
