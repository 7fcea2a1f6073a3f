"""Fuzzes one target in this process, which a finding ends: by atheris, which looks for inputs that reach new
code. Where it is not installed, Hypothesis draws inputs without knowing what they reach."""

from __future__ import annotations

import sys
import time
from pathlib import Path

SLOW = 5  # seconds that an input may take
MEMORY = 1024  # MiB that the process may have
LENGTH = 4096  # bytes of an input


def main(name: str, seconds: int, corpus: Path, findings: Path) -> None:
    """Fuzz for so many seconds. A finding is a file in `findings`, and a status that is not 0."""
    try:
        import atheris
    except ImportError:
        by_hypothesis(name, seconds, findings)
        return
    with atheris.instrument_imports(include=["ingestor"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    dictionary = corpus.with_name(f"{corpus.name}.words")
    dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words), "utf-8")
    atheris.Setup(
        [
            name, f"-max_total_time={seconds}", f"-timeout={SLOW}", f"-rss_limit_mb={MEMORY}",
            f"-max_len={LENGTH}", f"-dict={dictionary}", f"-artifact_prefix={findings}/",
            "-print_final_stats=1", "-verbosity=0", str(corpus),
        ],
        target.run,
    )  # fmt: skip
    atheris.Fuzz()


def _escaped(word: str) -> str:
    """A word as libFuzzer's dictionaries have it."""
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


def by_hypothesis(name: str, seconds: int, findings: Path) -> None:
    """Draw seeds, bytes, and seeds that bytes were put into."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    until = time.monotonic() + seconds
    words = st.sampled_from([word.encode() for word in target.words])
    put = st.one_of(words, st.binary(max_size=20))
    places = st.tuples(st.sampled_from(target.seeds), st.integers(0, 100), put, st.integers(0, 9))
    changed = places.map(lambda of: of[0][: of[1]] + of[2] + of[0][of[1] + of[3] :])

    @settings(
        max_examples=10**7, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.one_of(st.binary(max_size=LENGTH), st.lists(words).map(b"".join), changed))
    def every_input(data: bytes) -> None:
        began = time.monotonic()
        if began > until:
            raise SystemExit(0)
        try:
            target.run(data)
            assert time.monotonic() - began < SLOW, "it takes too long"
        except Exception:
            (findings / "finding").write_bytes(data)
            raise

    every_input()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
