"""What goes wrong with all questions at once is told as one thing."""

from __future__ import annotations

import asyncio

import pytest

from gatewright.base.errors import UsageError
from gatewright.rehearsal.asking import Question
from gatewright.rehearsal.clients.asker import Clients
from gatewright.trace.request import request


def test_a_failure_is_told_as_itself_and_not_in_a_group() -> None:
    asked = [Question(number, "lost", "4", request("http://a.example.com/")) for number in range(3)]
    with pytest.raises(UsageError, match="nobody is at the vantage lost"):
        asyncio.run(Clients((), {}).ask_all(asked))
