"""What pages need so that data on them can be written, is no markup, and that they load nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import math


def json_in_page(value: object) -> str:
    """Return JSON that ends no element of a page, whatever its texts are.

    JSON has no numbers that are not finite: they are null.
    """
    try:
        text = _json(value)
    except ValueError:
        text = _json(_finite(value))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value


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
