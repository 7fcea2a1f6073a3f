"""What a pipeline makes of cells that a workbook says more about than their text."""

from __future__ import annotations

from collections.abc import Sequence

from ingestor.pipelines.document import Pipeline
from ingestor.tabular.cell_notes import reject_faults, with_shown_texts
from ingestor.tabular.text_table import CellNote, TextTable


def apply_cell_notes(text: TextTable, columns: Sequence[str], pipeline: Pipeline | None) -> TextTable:
    """The table without its cell notes. A row with a faulty cell is rejected if the pipeline reads the
    column, unless the cell's text is one of the column's missing values; without a pipeline whichever it is.
    Fields of type string, and numbers that may have something around them, get what a cell shows."""
    if not text.cell_notes:
        return text
    if pipeline is None:
        return reject_faults(text, lambda fault: columns[fault.column] != "")
    read = pipeline.labels_of_file

    def matters(fault: CellNote) -> bool:
        label = columns[fault.column]
        if label not in read:
            return False
        fields = [field for field in pipeline.fields if pipeline.source(field) == label]
        place = int(text.row_index.searchsorted(fault.row_index))
        shown = text.columns[fault.column][place].as_py()
        return not fields or not all(shown in pipeline.missing_values_of(field) for field in fields)

    # Text, and numbers with something around them, such as a percent sign.
    shows: dict[str, bool] = {}
    for field in pipeline.fields:
        label = pipeline.source(field)
        shows[label] = shows.get(label, True) and (field.type == "string" or not field.bare_number)
    texts = [place for place, label in enumerate(columns) if shows.get(label)]
    return reject_faults(with_shown_texts(text, texts), matters)
