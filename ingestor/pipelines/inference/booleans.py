"""Columns of yes and no."""

from __future__ import annotations

from collections.abc import Iterator

from ingestor.pipelines.inference.values import Reading, Values

# Words for true and false that belong together.
_PAIRS = (
    ("true", "false"), ("t", "f"), ("yes", "no"), ("y", "n"), ("on", "off"), ("ja", "nein"), ("j", "n"),
    ("oui", "non"), ("o", "n"), ("sí", "no"), ("si", "no"), ("s", "n"), ("sim", "não"), ("vrai", "faux"),
    ("wahr", "falsch"), ("ja", "nee"),
)  # fmt: skip
_WORDS = frozenset(word for pair in _PAIRS for word in pair)
# Only these are clear where a column holds one of them and not the other.
_CLEAR = ("true", "false")


def boolean_readings(values: Values) -> Iterator[Reading]:
    """Readings as booleans. 0 and 1 are integers."""
    if not any(text.lower() in _WORDS for text in values.seeds):
        return
    for pair in _PAIRS:
        words = [text for text in values.distinct if text.lower() in pair]
        found = {word.lower() for word in words}
        if not words or (len(found) < 2 and pair != _CLEAR):
            continue
        keys: dict[str, object] = {"type": "boolean"}
        plain = Reading({**keys}, values.share(keys))
        share = values.count(words) / values.total
        if plain.share < share:
            for key, word in zip(("trueValues", "falseValues"), pair, strict=True):
                seen = [text for text in words if text.lower() == word]
                keys[key] = list(dict.fromkeys((word, word.title(), word.upper(), *seen)))
            yield Reading(keys, share)
        elif found <= {"true", "false", "t", "f"}:
            yield Reading(plain.keys, share)
