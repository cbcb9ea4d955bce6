"""Whether what a run folder's files hold has the shape that readers take for granted.

Older versions lack keys, which readers allow for; what is there must be of the right kind.
"""

from collections.abc import Mapping
from typing import Any

_KINDS = {dict: "mapping", list: "list", str: "text", int: "whole number", bool: "true or false"}
# Dotted keys by the kind that they have where they are there at all, null allowed.
_CONFIG = {
    **dict.fromkeys(("model", "quantizer", "loss", "data", "trainer", "metrics", "logger"), dict),
    "quantizer._target_": str,
}
_RESULT = {
    **dict.fromkeys(("metrics", "missing", "model", "data", "cost"), dict),
    "data.images": int,
    "data.left_out": list,
    "data.replaced_in_training": list,
    "model.discrete": bool,
}
_ENVIRONMENT = {
    **dict.fromkeys(("git", "packages", "own_code", "variables"), dict),
    "sessions": list,
    "git.commit": str,
    "git.diff_sha256": str,
}


_SESSION = {**_ENVIRONMENT, "changed_since_submission": list}
_ENTRY = {"stamp": str, "better": str}


def fault_in(name: str, record: Mapping[str, Any]) -> str:
    """What is wrong with the content of a run folder's file, "" if nothing is."""
    match name:
        case "config.yaml":
            return _fault(record, _CONFIG)
        case "result.json":
            return _fault(record, _RESULT) or _metrics_fault(record.get("metrics") or {})
        case "environment.json":
            return _fault(record, _ENVIRONMENT) or _sessions_fault(record)
    return ""


def _metrics_fault(metrics: Mapping[str, Any]) -> str:
    for key, entry in metrics.items():
        if not isinstance(entry, dict):
            return f"metrics.{key} is no mapping"
        if isinstance(entry.get("value"), str | list | dict):
            return f"metrics.{key}.value is no number"
        if fault := _fault(entry, _ENTRY):
            return f"metrics.{key}.{fault}"
    return ""


def _sessions_fault(environment: Mapping[str, Any]) -> str:
    for place, session in enumerate([environment, *(environment.get("sessions") or ())]):
        if not isinstance(session, dict):
            return f"sessions.{place - 1} is no mapping"
        if fault := _fault(session, _SESSION):
            return f"sessions.{place - 1}.{fault}"
        if not all(isinstance(d, str | None) for d in (session.get("own_code") or {}).values()):
            return "own_code has what is no digest"
    return ""


def _fault(record: Mapping[str, Any], kinds: Mapping[str, type]) -> str:
    for key, kind in kinds.items():
        group, _, name = key.partition(".")
        value = record.get(group)
        if name:
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None and type(value) is not kind:
            return f"{key} is no {_KINDS[kind]}"
    return ""
