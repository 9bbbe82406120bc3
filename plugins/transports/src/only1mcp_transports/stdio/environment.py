"""The environment of a child: built from an allow-list, never inherited whole.

What is passed on is what programs need to find their files, their language, their proxies and certificates and their
package indexes; keys and tokens in the gateway's own environment stay there unless the configuration names them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

PASSED = (
    "HOME", "USER", "LOGNAME", "SHELL", "PATH", "TERM", "LANG", "LC_*", "TZ", "TMPDIR", "XDG_*",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
    "UV_*", "PIP_*", "npm_config_*",
)  # fmt: skip
COOKIE = "ONLY1MCP_COOKIE"
"""Marks every process of a child's family; see `family`."""


def build(
    own: Mapping[str, str], pass_env: Iterable[str], env: Mapping[str, str], cookie: str
) -> dict[str, str]:
    """A child's environment, from the gateway's own and the server's options.

    The directory of this interpreter is appended to PATH, so that programs installed beside the gateway (`uvx`) are
    found without a shell profile.
    """
    globs = (*PASSED, *pass_env)
    built = {name: value for name, value in own.items() if any(fnmatchcase(name, glob) for glob in globs)}
    built.update(env)
    beside = os.path.dirname(sys.executable)
    path = built.get("PATH", os.defpath)
    if beside not in path.split(os.pathsep):
        built["PATH"] = f"{path}{os.pathsep}{beside}" if path else beside
    built[COOKIE] = cookie
    return built
