"""Opening a TIFF file with tifffile, whose remarks and errors become ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import tifffile

from cellcutter.errors import ImageError
from cellcutter.read.positional import check_regular
from cellcutter.read.sniff import kind_of

log = logging.getLogger("cellcutter")

# Parts of what tifffile says where the chain of pages ends too early
_MISSING = (
    "invalid page offset",
    "invalid offset to page",
    "corrupted tag list",
    "invalid circular reference",
    "metadata invalid or corrupted",
)


class _Heard(logging.Handler):
    """What tifffile logs while a file is opened, kept from the user's terminal."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message, without the name of the object that it starts with."""
        self.messages.append(" ".join(record.getMessage().split("> ", 1)[-1].split()))

    def judge(self, path: Path) -> None:
        """Raise an error where a message says that pages are missing.

        tifffile goes on with those that it has; we do not, for channels would be missing.
        """
        for message in self.messages:
            log.debug("%s: tifffile: %s", path, message)
            if any(sign in message for sign in _MISSING):
                raise ImageError(f"{path}: truncated or damaged: {message}; a whole file expected")


@contextmanager
def opened(path: Path) -> Iterator[tuple[tifffile.TiffFile, ExitStack]]:
    """Open a TIFF while its structure is read; the errors of whatever goes wrong are ours."""
    heard, logger = _Heard(), logging.getLogger("tifffile")
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(heard)
    try:
        check_regular(path)
        with ExitStack() as stack:
            yield stack.enter_context(tifffile.TiffFile(path)), stack
        heard.judge(path)
    except ImageError:
        raise
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}; an image expected") from error
    except Exception as error:
        if kind := kind_of(path):
            raise ImageError(f"{path}: {kind} found, an image expected: TIFF, PNG, OME-Zarr") from (
                error
            )
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{path}: {reason} found, a TIFF image expected") from error
    finally:
        logger.propagate = propagate
        logger.removeHandler(heard)
