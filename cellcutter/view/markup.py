"""What pages need so that data on them cannot be markup, and that they load nothing."""

from __future__ import annotations

import base64
import hashlib
import json


def json_in_page(value: object) -> str:
    """Return JSON that ends no element of a page, whatever its texts are."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def policy_of(script: str, style: str, more: str = "") -> str:
    """Return the policy of a page that loads nothing but its own script and style.

    The form is https://www.w3.org/TR/CSP3/.

    Parameters
    ----------
    script, style : str
        The content of both elements.
    more : str
        What else the page may show.
    """
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        f"{more}base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
