"""The exceptions that mean something to the kernel. Any other exception out of a plugin is a fault of it:
logged with the plugin's name, and answered with an internal error."""

from __future__ import annotations

from collections.abc import Sequence


class Only1McpError(Exception):
    """Base of the errors below. The message is shown to people: say what happened, where, and what to do."""


class OpenFailed(Only1McpError):
    """A component can't be opened, for a reason the user can mend (a port in use, a file that is missing)."""


class SecretMissing(Only1McpError):
    """A secret reference leads nowhere. `known` lists names that exist, for the "did you mean"."""

    def __init__(self, message: str, known: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.known = tuple(known)


class AccessDenied(Only1McpError):
    """The credentials a client sent are wrong. The message reaches the client; never quote the credentials."""

    challenge = ""
    """How credentials are given, for the field `WWW-Authenticate` of an HTTP answer. The gateway sets it."""


class ConnectFailed(Only1McpError):
    """An endpoint can't be reached or started."""


class ConnectionLost(Only1McpError):
    """An open connection to an endpoint broke, or the endpoint ended it."""
