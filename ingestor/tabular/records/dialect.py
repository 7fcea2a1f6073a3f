"""Detects the delimiter of a file."""

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
    """The dialect whose delimiter best explains the beginning of a file.

    `sample` is that beginning: its first 64 KiB count, a BOM is skipped, the last record may be cut. Of
    , ; tab and | the delimiter wins that splits the first record (the header) and gives the largest share of
    the first 100 records the header's width; among equals the one with more columns, then the first in that
    order. A delimiter under which the header breaks the quoting rule is out. If none splits the header, it is
    the comma.
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
    # The last record may be cut, so it counts only when there is no other.
    widths = _widths(sample, dialect, final=False) or _widths(sample, dialect, final=True)
    if not widths or widths[0] < 2:
        return _Fit(0.0, 1)
    return _Fit(widths.count(widths[0]) / len(widths), widths[0])


def _widths(sample: bytes, dialect: Dialect, *, final: bool) -> list[int]:
    """Number of cells of each of the first records, without blank ones; 0 if it breaks the quoting rule."""
    widths: list[int] = []
    for record in read_exact(sample, dialect, final=final):
        if record.blank:
            continue
        widths.append(0 if record.cells is None else len(record.cells))
        if len(widths) == _MAX_RECORDS:
            break
    return widths


__all__ = ["CANDIDATES", "Dialect", "detect_delimiter"]
