"""Secrets in files: which are read, what a wrong one says, and that a new one is taken at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from ingestor.access.settings import AccessSettings
from ingestor.runtime.secrets import FileSecret, SecretFileError
from ingestor.runtime.settings import DatabaseSettings, load_settings

URL = "postgresql://upload:first@db/ingestor"
OLD, NEW = (f"{name}:{name * 40}" for name in "ab")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("INGESTOR_"):
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def test_a_secret_is_read_from_its_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(f"{URL}\n")
    monkeypatch.setenv("INGESTOR_DATABASE_URL", "")  # as compose sets what is not given
    monkeypatch.setenv("INGESTOR_DATABASE_URL_FILE", str(file))
    settings = load_settings(DatabaseSettings)
    assert settings.database_url.get_secret_value() == URL
    assert "first" not in repr(settings) + str(settings.database_url)
    file.write_text(URL.replace("first", "second"))
    assert settings.database_url.get_secret_value() == URL.replace("first", "second")


def test_a_replaced_file_is_read_too(tmp_path: Path) -> None:
    """Kubernetes turns a link to another folder."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secret").write_text(name)
    link = tmp_path / "now"
    link.symlink_to("one")
    secret = FileSecret(link / "secret")
    assert secret.get_secret_value() == "one"
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(link)
    assert secret.get_secret_value() == "two"


def test_the_last_text_stays_while_there_is_none(file: Path) -> None:
    file.write_text("one")
    secret = FileSecret(file)
    file.write_text("")
    assert secret.get_secret_value() == "one"
    file.unlink()
    assert secret.get_secret_value() == "one"
    file.write_text("three")
    assert secret.get_secret_value() == "three"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (None, "cannot be read: No such file"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"x" * 70_000, "is larger than 64 KiB"),
    ],
)
def test_a_file_that_cannot_be_used(
    file: Path,
    content: bytes | None,
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("INGESTOR_DATABASE_URL_FILE", str(file))
    with pytest.raises(SystemExit) as ended:
        load_settings(DatabaseSettings)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"INGESTOR_DATABASE_URL_FILE: {file} ") and problem in said


def test_both_are_too_many(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(URL)
    monkeypatch.setenv("INGESTOR_DATABASE_URL", URL)
    monkeypatch.setenv("INGESTOR_DATABASE_URL_FILE", str(file))
    with pytest.raises(SystemExit):
        load_settings(DatabaseSettings)
    said = capsys.readouterr().err
    assert said == "INGESTOR_DATABASE_URL and INGESTOR_DATABASE_URL_FILE are set; leave one of them\n"


def test_none_is_too_few(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load_settings(DatabaseSettings)
    assert capsys.readouterr().err == "INGESTOR_DATABASE_URL: needed, or INGESTOR_DATABASE_URL_FILE\n"


def test_new_keys_of_the_services_are_taken_at_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(OLD)
    monkeypatch.setenv("INGESTOR_INTERNAL_KEYS_FILE", str(file))
    ours, theirs = (AccessSettings().keyring() for _ in range(2))
    before = ours.sign("calls", b"x")
    file.write_text(f"{NEW},{OLD}")
    assert theirs.verify("calls", before, b"x")
    after = ours.sign("calls", b"x")
    assert after.startswith("b:") and theirs.verify("calls", after, b"x")
    file.write_text(NEW)
    assert theirs.verify("calls", after, b"x") and not theirs.verify("calls", before, b"x")


@pytest.mark.parametrize("wrong", ["nonsense", "c:short", f"{NEW},{NEW}"])
def test_wrong_new_keys_change_nothing(file: Path, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    file.write_text(OLD)
    monkeypatch.setenv("INGESTOR_INTERNAL_KEYS_FILE", str(file))
    keys = AccessSettings().keyring()
    file.write_text(wrong)
    assert keys.sign("calls", b"x").startswith("a:")


def test_a_secret_that_is_no_file_stays() -> None:
    keys = AccessSettings(internal_keys=SecretStr(OLD)).keyring()
    assert keys.verify("calls", keys.sign("calls", b"x"), b"x")


def test_a_file_that_is_missing_at_first(tmp_path: Path) -> None:
    with pytest.raises(SecretFileError, match="nothing cannot be read"):
        FileSecret(tmp_path / "nothing")
