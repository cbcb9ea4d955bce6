"""Whether W&B's server can be used from here, told without sending it anything."""

import netrc
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from vqx.errors import ConfigError

_CONNECT_SECONDS = 3.0


def check_installed() -> None:
    """Raise ConfigError, with the remedy, where the package wandb is missing."""
    try:
        import wandb  # noqa: F401
    except ImportError as error:
        raise ConfigError("W&B needs the package wandb: pip install 'vqx[wandb]'") from error


def server_url() -> str:
    """The server that wandb's own settings and WANDB_BASE_URL name."""
    import wandb

    return str(wandb.setup().settings.base_url)


def server_fault() -> str | None:
    """Why the server cannot be used (no login, no connection), with the remedy; None: it can."""
    url = server_url()
    if not _has_login(url):
        return "there is no login: run `wandb login`, or set WANDB_API_KEY"
    address = urlsplit(url)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname or "", port), _CONNECT_SECONDS).close()
    except OSError as error:
        reason = error.strerror or str(error)
        return f"{url} cannot be reached ({reason}): try again where there is a network"
    return None


def _has_login(url: str) -> bool:
    """Whether wandb will find a key where it looks: the environment, and the user's netrc."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    named = os.environ.get("NETRC")
    paths = [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]
    return any(_names(path, urlsplit(url).hostname or "") for path in paths)


def _names(path: Path, host: str) -> bool:
    try:
        return netrc.netrc(path).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
