"""What a run was made with: code, packages, machine, command."""

import difflib
import hashlib
import os
import platform
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import vqx
from vqx.errors import VqxError
from vqx.runs.files import write_json_atomic, write_text_atomic
from vqx.runs.folder import RunFolder, read_json
from vqx.runs.status import now_iso

# The ones that can change speed or numbers, or say where the run was. Named one by one: an
# environment also holds keys and passwords.
_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "CUBLAS_WORKSPACE_CONFIG",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "PYTHONHASHSEED",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_JOB_ID",
    "SLURM_JOB_NODELIST",
    "SLURM_JOB_PARTITION",
    "SLURM_RESTART_COUNT",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "WORLD_SIZE",
)
_GIT_SECONDS = 10
# Beside a copy of the package that jobs run from: the SourceCode that it was copied from.
COPIED_FROM = ".vqx-copied-from.json"
_LARGEST_DIFF = 5_000_000  # characters


@dataclass(frozen=True, slots=True)
class SourceCode:
    """The state of the repository that holds vqx; `commit` is None outside of one."""

    commit: str | None = None
    diff: str = ""
    untracked: list[str] = field(default_factory=list)
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For environment.json: the difference itself goes to code.diff."""
        digest = hashlib.sha256(self.diff.encode()).hexdigest()[:12] if self.diff else None
        return {
            "commit": self.commit,
            "dirty": bool(self.diff),
            "diff_sha256": digest,
            "untracked": self.untracked,
            **({"reason": self.reason} if self.reason else {}),
        }


def source_code(package: Path) -> SourceCode:
    """Commit and uncommitted changes of the repository that tracks `package`; never raises.

    Of a copy made for jobs it is the repository that was copied.
    """
    try:
        if (copied := read_json(package.parent / COPIED_FROM)) is not None:
            return SourceCode(**copied)
        # An installed package may lie inside somebody else's repository (.venv), untracked.
        _git(package, "ls-files", "--error-unmatch", "__init__.py")
        root = Path(_git(package, "rev-parse", "--show-toplevel").strip())
        untracked = _git(root, "ls-files", "--others", "--exclude-standard").splitlines()[:200]
        changes = _git(root, "diff", "--no-color", "--no-ext-diff", "HEAD")
        return SourceCode(
            commit=_git(root, "rev-parse", "HEAD").strip(),
            diff=changes + "".join(_as_new(root, name) for name in untracked),
            untracked=untracked,
        )
    except subprocess.CalledProcessError as error:
        return SourceCode(reason=f"git: {(error.stderr or 'failed').strip().splitlines()[0]}")
    except (OSError, subprocess.TimeoutExpired) as error:
        return SourceCode(reason=f"git: {error}")
    except (VqxError, TypeError) as error:
        return SourceCode(reason=str(error))


def _as_new(root: Path, name: str) -> str:
    """An untracked source file as a difference from nothing: a run may well use it."""
    if Path(name).suffix not in (".py", ".yaml", ".yml"):
        return ""
    lines = (root / name).read_text(errors="replace").splitlines(keepends=True)
    return "".join(difflib.unified_diff([], lines, "/dev/null", f"b/{name}"))


def _git(folder: Path, *arguments: str) -> str:
    answer = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        check=True,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
        errors="replace",
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=_GIT_SECONDS,
    )
    return answer.stdout


def write_provenance(
    folder: RunFolder,
    *,
    command: Sequence[str],
    seed: int,
    device: str,
    devices: int,
    extra: dict[str, Any] | None = None,
) -> None:
    """Write environment.json and code.diff; on resume keep them and add what is new.

    Its top level tells how the run was started. `sessions` has one entry a start: the first only
    says when and where, later ones also what differs, with changed code in code-N.diff.
    """
    code = source_code(Path(vqx.__file__).resolve().parent)
    here = {
        "vqx": vqx.__version__,
        "git": code.to_json(),
        **_machine(),
        "packages": _packages(),
        "device": device,
        "devices": devices,
        "command": list(command),
        "seed": seed,
        **(extra or {}),
    }
    before = read_json(folder.environment)
    first = before or {**here, "sessions": []}
    session = {"started": now_iso(), "host": here["host"], "pid": os.getpid()}
    changed = {k: _news(v, first.get(k)) for k, v in here.items() if v != first.get(k)}
    first["sessions"].append({**session, **changed})
    if code.diff and (before is None or "git" in changed):
        number = len(first["sessions"])
        name = folder.code_diff if before is None else folder.path / f"code-{number}.diff"
        write_text_atomic(name, _shortened(code.diff))
    write_json_atomic(folder.environment, first)


def _news(new: Any, old: Any) -> Any:
    """What of `new` differs from `old`: only the changed entries of a dictionary."""
    if not (isinstance(new, dict) and isinstance(old, dict)):
        return new
    return {k: new.get(k) for k in sorted({*new, *old}) if new.get(k) != old.get(k)}


def _shortened(diff: str) -> str:
    if len(diff) <= _LARGEST_DIFF:
        return diff
    return f"{diff[:_LARGEST_DIFF]}\n# cut here: {len(diff):,} characters in all\n"


def _machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "cpu": _cpu_model(),
        "cores": _usable_cores(),
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }


def _usable_cores() -> int | None:
    affinity = getattr(
        os, "sched_getaffinity", None
    )  # Linux: what the job may use, not what is there
    return len(affinity(0)) if affinity else os.cpu_count()


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _packages() -> dict[str, str]:
    """Versions of all installed distributions; ones with damaged metadata are left out."""
    found = {str(d.metadata["Name"]): d.version for d in metadata.distributions() if d.metadata}
    return {name: found[name] for name in sorted(found, key=str.lower) if name != "None"}
