"""Pure: how large a zip file is that Python's zipfile makes of members that are not compressed.

The format is https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT: each member has a header
before it and an entry in the directory at the end, with more of both where a number needs 64 bits.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable

_HEADER, _ENTRY, _END = 30, 46, 22
_HEADER64, _END64 = 20, 56 + 20
_MOST_MEMBERS = 0xFFFF


def zipped_nbytes(members: Iterable[tuple[str, int]]) -> int:
    """Return the bytes of a zip file.

    Parameters
    ----------
    members : iterable of (name, bytes)
        In their order in the file.
    """
    place = directory = number = 0
    for name, nbytes in members:
        numbers = 2 * (nbytes > zipfile.ZIP64_LIMIT) + (place > zipfile.ZIP64_LIMIT)
        length = len(name.encode())
        directory += _ENTRY + length + (4 + 8 * numbers if numbers else 0)
        large = nbytes * 1.05 > zipfile.ZIP64_LIMIT  # zipfile leaves room for what grows
        place += _HEADER + length + (_HEADER64 if large else 0) + nbytes
        number += 1
    large = number > _MOST_MEMBERS or max(place, directory) > zipfile.ZIP64_LIMIT
    return place + directory + (_END64 if large else 0) + _END
