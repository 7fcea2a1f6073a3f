"""The page where people sign in: Chromium against a suite with `--auth`, whose tokens end after seconds."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ingestor.local.errors import SuiteError
from ingestor.local.oidc.provider import find_modules
from tests.e2e.conftest import Suite, running
from tests.e2e.page.test_page import ACCESS, missing, run_in_browser

TOKEN_SECONDS = 20


@pytest.fixture
def guarded_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """A suite that serves the built page and lets people sign in."""
    data = tmp_path_factory.mktemp("guarded-page")
    reason = missing()
    try:
        find_modules(data)
    except SuiteError as error:
        reason = reason or str(error)
    if reason is not None:
        # CI must not skip tests silently.
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    with running(data, "--auth", INGESTOR_DEMO_TOKEN_SECONDS=str(TOKEN_SECONDS)) as started:
        yield started


def test_the_page_where_people_sign_in(guarded_page: Suite) -> None:
    run_in_browser(ACCESS, INGESTOR_AUTH_PAGE=f"http://{guarded_page.gateway}")
