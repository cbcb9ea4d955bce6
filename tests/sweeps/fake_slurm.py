"""Stand-ins for Slurm's commands on PATH: they answer from files and note what they were asked."""

from pathlib import Path

import pytest

_HEAD = '#!/bin/bash\nplace="{place}"\necho "$(basename "$0") $*" >> "$place/calls"\n'
_ANSWER = _HEAD + (
    'name=$(basename "$0")\n'
    'if [ -s "$place/$name.error" ]; then cat "$place/$name.error" >&2; exit 1; fi\n'
    'cat "$place/$name.out" 2>/dev/null\nexit 0\n'
)
_SBATCH = _HEAD + (
    'number=$(($(cat "$place/last") + 1))\n'
    'if [ $number -ge $(cat "$place/refuse_from") ]; then\n'
    '  echo "sbatch: error: QOSMaxSubmitJobPerUserLimit" >&2\n'
    '  echo "sbatch: error: Batch job submission failed: over the limit" >&2; exit 1; fi\n'
    'echo $number > "$place/last"; cp "$1" "$place/$number.sh"\n'
    'echo "Submitted batch job $number"\n'
)


class FakeSlurm:
    """A cluster that does what it is told; `answer` sets what a command prints."""

    def __init__(self, place: Path) -> None:
        self.place = place
        (place / "bin").mkdir(parents=True)
        for name in ("squeue", "sacct", "scontrol", "scancel", "sinfo", "srun"):
            self._write(name, _ANSWER)
        self._write("sbatch", _SBATCH)
        (place / "last").write_text("100")
        self.refuse_from(10**9)
        self.answer("sinfo", "main|4|gpu:2(S:0)\nmain|8|(null)\n")
        self.answer("scontrol", "MaxArraySize            = 1001\n")

    def _write(self, name: str, text: str) -> None:
        path = self.place / "bin" / name
        path.write_text(text.format(place=self.place) if "{place}" in text else text)
        path.chmod(0o755)

    def answer(self, command: str, text: str) -> None:
        """What `command` prints from now on."""
        (self.place / f"{command}.error").unlink(missing_ok=True)
        (self.place / f"{command}.out").write_text(text)

    def fail(self, command: str, text: str) -> None:
        """Let `command` fail with `text`."""
        (self.place / f"{command}.error").write_text(text)

    def refuse_from(self, number: int) -> None:
        """Let sbatch refuse the job of this number and those after it."""
        (self.place / "refuse_from").write_text(str(number))

    @property
    def calls(self) -> list[str]:
        """Command lines so far."""
        path = self.place / "calls"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def scripts(self) -> list[str]:
        """What sbatch was given, in order."""
        return [path.read_text() for path in sorted(self.place.glob("*.sh"))]


def install(place: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """A fake cluster in `place`, first on PATH."""
    fake = FakeSlurm(place)
    monkeypatch.setenv("PATH", f"{place / 'bin'}:/usr/bin:/bin")
    return fake
