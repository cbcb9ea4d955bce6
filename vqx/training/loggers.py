"""Where metrics go beside metrics.jsonl, which is always written."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from vqx.errors import ConfigError


class Logger(Protocol):
    """A sink of metrics. Every call happens on the first rank only."""

    def start(self, *, folder: Path, signature: str, name: str, config: Mapping[str, Any]) -> None:
        """Begin, or go on after a resume, under the run's signature."""

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        """Record `values` at optimizer step `step`."""

    def finish(self, *, exit_code: int, summary: Mapping[str, float]) -> None:
        """End with the final metrics; `exit_code` 0 means done."""


class NoLogger:
    """Nothing beside metrics.jsonl."""

    def start(self, *, folder: Path, signature: str, name: str, config: Mapping[str, Any]) -> None:
        """Nothing to begin."""

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        """Nothing to record."""

    def finish(self, *, exit_code: int, summary: Mapping[str, float]) -> None:
        """Nothing to end."""


class WandbLogger:
    """Weights & Biases: the run's id is its signature, so a resumed run goes on as the same one.

    Without a login or network (`mode=auto`) it records offline under the run folder; `wandb sync`
    sends that later. Raises ConfigError when the package is missing.
    """

    def __init__(
        self,
        *,
        project: str = "vqx",
        entity: str | None = None,
        group: str | None = None,
        mode: str = "auto",
    ) -> None:
        if mode not in ("auto", "online", "offline"):
            raise ConfigError(f"logger.mode must be auto, online or offline; got {mode!r}")
        self._project, self._entity = project, entity
        self._group = group or os.environ.get("VQX_SWEEP")
        self._mode = mode
        self._run: Any = None

    def start(self, *, folder: Path, signature: str, name: str, config: Mapping[str, Any]) -> None:
        """Open the run with id `signature`, resuming it if it exists."""
        try:
            import wandb
        except ImportError as error:
            raise ConfigError(
                "logger=wandb needs the package wandb: pip install 'vqx[wandb]'"
            ) from error
        mode: Any = self._mode if self._mode != "auto" else _available_mode()
        self._run = wandb.init(
            project=self._project,
            entity=self._entity,
            group=self._group,
            id=signature,
            name=name,
            dir=folder,
            config=dict(config),
            mode=mode,
            resume="allow" if mode == "online" else None,
            settings=wandb.Settings(silent=True),
        )

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        """Record `values` at optimizer step `step`."""
        self._run.log(dict(values), step=step)

    def finish(self, *, exit_code: int, summary: Mapping[str, float]) -> None:
        """Write the summary and close the run with its exit code."""
        self._run.summary.update(dict(summary))
        self._run.finish(exit_code=exit_code)


def _available_mode() -> str:
    """ "online" with a key and a reachable server, else "offline"."""
    import socket
    from urllib.parse import urlparse

    if mode := os.environ.get("WANDB_MODE"):
        return mode
    import wandb

    if not wandb.api.api_key:
        return "offline"
    server = urlparse(wandb.api.settings("base_url"))
    try:
        address = (server.hostname or "", server.port or 443)
        socket.create_connection(address, timeout=3).close()
    except OSError:
        return "offline"
    return "online"
