"""The pytest plugin: the fixture `theazo_plane`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from theazo.testing import TestPlane


@pytest.fixture
def theazo_plane() -> Iterator[TestPlane]:
    """A fresh control plane for one test."""
    # Imported here, so that test runs that do not use it do not pay for it.
    from theazo.testing import TestPlane

    with TestPlane.start() as plane:
        yield plane
