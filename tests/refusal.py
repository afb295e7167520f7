"""What an error must say: its type, and pieces of its message in any order."""

import re

import pytest


def refused(exception, call, *pieces):
    """The call raises exactly this kind of error, and its message matches every piece."""
    with pytest.raises(exception) as caught:
        call()
    assert caught.type is exception, f"{caught.type.__name__} is not {exception.__name__}"
    message = str(caught.value)
    for piece in pieces:
        assert re.search(piece, message), f"{piece!r} is not in: {message}"
    assert "\n" not in message.strip()
    return message
