from pathlib import Path

import pytest

from tests.kernel.daemon.installation import Installation


@pytest.fixture
def user(tmp_path: Path) -> Installation:
    """A user of an installation that has only the parts of these tests."""
    return Installation(tmp_path)
