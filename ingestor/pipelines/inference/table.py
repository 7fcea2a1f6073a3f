"""Drafts the pipeline that loads a file into a table that exists: what goes in is the table's to say, how it
is written is the file's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ingestor.outcomes import Notice

# By the type of a table's field: the types by which a file may write what the column takes as well.
_WRITTEN_AS = {
    "number": ("integer",),
    "datetime": ("date",),
    "object": ("array", "string"),
    "array": ("list", "string"),
}


def draft_for_table(
    table: Mapping[str, Any], needed: Sequence[str], inspected: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Notice]]:
    """A pipeline document that loads a file into a table, and what a person should know of it. `table` is the
    document that the table alone makes, `needed` are its fields that rows must bring, `inspected` is what
    `inspect_file` has found.

    Columns are found by their labels, whatever the case, with or without blanks and marks. Fields that the
    file lacks are left out unless they are needed.
    """
    drafted, schema = inspected["pipeline"], table["schema"]
    labels = [column["name"] for column in inspected["columns"]]
    names = [field["name"] for field in schema["fields"]]
    places = _places(names, labels)
    fields = [
        _field(field, _written(drafted["schema"]["fields"], inspected["columns"], places[field["name"]]))
        if field["name"] in places
        else field
        for field in schema["fields"]
        if field["name"] in places or field["name"] in needed
    ]
    document: dict[str, Any] = {
        "name": table["name"],
        "schema": {"fields": fields, **_keys(schema, {field["name"] for field in fields})},
    }
    read = {labels[place] for place in places.values()}
    if trims := [step for step in drafted.get("transforms", ()) if step["column"] in read]:
        document["transforms"] = trims
    if mapping := {name: labels[place] for name, place in places.items() if labels[place] != name}:
        document["mapping"] = mapping
    if "dialect" in drafted:
        document["dialect"] = drafted["dialect"]
    document["sink"] = table["sink"]
    lacking = [name for name in names if name not in places]
    told = {
        ("columns-needed", "Map columns of the file to these of the table, which need values"): [
            name for name in lacking if name in needed
        ],
        ("columns-left-out", "The file lacks columns of the table, which stay empty or get their defaults"): [
            name for name in lacking if name not in needed
        ],
        ("columns-not-read", "The table lacks columns of the file, which are not loaded"): [
            label for label in labels if label not in read
        ],
    }
    return document, [
        Notice(code, f"{text}: {', '.join(some)}.") for (code, text), some in told.items() if some
    ]


def _places(names: Sequence[str], labels: Sequence[str]) -> dict[str, int]:
    """For each name the place of the label that means it: the name itself or else, if there is just one, the
    same without case, blanks and marks."""
    found = {name: labels.index(name) for name in names if name in labels}
    free = [label for label in labels if label not in names]
    plain = Counter(_plain(name) for name in names if name not in found)
    for name in names:
        same = [label for label in free if _plain(label) == _plain(name)]
        if name not in found and len(same) == 1 and plain[_plain(name)] == 1:
            found[name] = labels.index(same[0])
    return found


def _plain(text: str) -> str:
    """A label without case, blanks and marks, unless it has nothing else."""
    return re.sub(r"[\W_]+", "", text.casefold()) or text


def _written(
    fields: Sequence[Mapping[str, Any]], columns: Sequence[Mapping[str, Any]], place: int
) -> Mapping[str, Any]:
    """The field that the file alone would make of a column; arrays are not inferred."""
    examples = columns[place]["examples"]
    arrays = examples and all(example.lstrip().startswith("[") for example in examples)
    return {"type": "array"} if arrays else fields[place]


def _field(field: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """The table's field, as the file writes its values."""
    made = dict(field)
    if "missingValues" in written:
        made["missingValues"] = written["missingValues"]
    if field["type"] == "string":
        return made
    if written["type"] == field["type"]:
        return made | {key: value for key, value in written.items() if key not in ("name", "constraints")}
    if written["type"] in _WRITTEN_AS.get(field["type"], ()):
        # The limits are those of the table's type; the table itself still has them.
        required = {"required": True} if field.get("constraints", {}).get("required") else {}
        made = {**written, "name": field["name"]}
        made.pop("constraints", None)
        return made | ({"constraints": required} if required else {})
    return made


def _keys(schema: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """The keys of the schema that consist of these fields."""
    found: dict[str, Any] = {}
    if names.issuperset(schema.get("primaryKey", [""])):
        found["primaryKey"] = schema["primaryKey"]
    if unique := [key for key in schema.get("uniqueKeys", ()) if names.issuperset(key)]:
        found["uniqueKeys"] = unique
    if foreign := [key for key in schema.get("foreignKeys", ()) if names.issuperset(key["fields"])]:
        found["foreignKeys"] = foreign
    return found
