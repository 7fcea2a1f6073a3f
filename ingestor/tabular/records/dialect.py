"""How a delimited file separates and quotes its cells, and how to find out."""

from __future__ import annotations

from dataclasses import dataclass

from ingestor.tabular.records.exact import read_exact
from ingestor.tabular.records.syntax import Dialect

CANDIDATES = (",", ";", "\t", "|")
_BOM = b"\xef\xbb\xbf"
_MAX_RECORDS = 100
_MAX_SAMPLE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well a delimiter explains a sample: the share of records as wide as the first, and that width."""

    share: float
    width: int


def detect_delimiter(sample: bytes, quote: str = '"') -> Dialect:
    """The dialect whose delimiter explains the beginning of a file best.

    `sample` is the file's beginning (its first 64 KiB are looked at; a BOM is skipped; it may end
    in the middle of a record). Of , ; tab and |, the one wins that splits the first record (the
    header) into more than one cell and gives the largest share of the first 100 records the
    header's width; then the one with more columns; then the first in that order. A delimiter under
    which the header breaks the quoting rule is out. When none splits the header: the comma.
    """
    sample = sample[:_MAX_SAMPLE_BYTES].removeprefix(_BOM)
    best, best_fit = Dialect("," if quote != "," else ";", quote), _Fit(0.0, 1)
    for delimiter in CANDIDATES:
        if delimiter == quote:
            continue
        dialect = Dialect(delimiter, quote)
        fit = _fit(sample, dialect)
        if fit.width > 1 and (fit.share, fit.width) > (best_fit.share, best_fit.width):
            best, best_fit = dialect, fit
    return best


def _fit(sample: bytes, dialect: Dialect) -> _Fit:
    # The last record of a sample is taken as whole only if it is the only one.
    widths = _widths(sample, dialect, final=False) or _widths(sample, dialect, final=True)
    if not widths or widths[0] < 2:
        return _Fit(0.0, 1)
    return _Fit(widths.count(widths[0]) / len(widths), widths[0])


def _widths(sample: bytes, dialect: Dialect, *, final: bool) -> list[int]:
    """Widths of the first records that are not blank; 0 for one that breaks the quoting rule."""
    widths: list[int] = []
    for record in read_exact(sample, dialect, final=final):
        if record.blank:
            continue
        widths.append(0 if record.cells is None else len(record.cells))
        if len(widths) == _MAX_RECORDS:
            break
    return widths


__all__ = ["CANDIDATES", "Dialect", "detect_delimiter"]
