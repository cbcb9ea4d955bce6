"""The memory that a process may take, from made-up /proc and cgroup trees."""

import pytest

from vqx.data.memory_available import gib, local_ranks, memory_available

GIB = 1 << 30


@pytest.fixture
def system(tmp_path):
    """A machine with 8 GiB available and no limits; returns what asks it, and its folders."""
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    cgroups.mkdir()
    (proc / "meminfo").write_text(
        f"MemTotal: {16 * GIB // 1024} kB\nMemAvailable: {8 * GIB // 1024} kB\n"
    )

    def ask(**environment):
        return memory_available(environment=environment, proc=proc, cgroups=cgroups)

    return ask, proc, cgroups


def limit(folder, most, used, cached, names=("memory.max", "memory.current", "inactive_file")):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{most}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {cached}\n")


def test_without_limits_it_is_the_machines_shared_by_the_ranks(system):
    ask, _, _ = system
    assert ask() == 8 * GIB
    # Of all there is: what is available changes as one rank after the other takes its share.
    assert ask(LOCAL_WORLD_SIZE="4") == 4 * GIB
    assert ask(SLURM_STEP_ID="0", SLURM_NTASKS="5", SLURM_NNODES="2") == 16 * GIB // 3
    assert ask(SLURM_JOB_ID="7", SLURM_NTASKS="5") == 8 * GIB  # not within a step


def test_the_strictest_cgroup_counts_and_cached_files_are_free(system):
    ask, proc, cgroups = system
    (proc / "self/cgroup").write_text("0::/job/step\n")
    limit(cgroups / "job", 3 * GIB, 2 * GIB, GIB)
    limit(cgroups / "job/step", "max", GIB, 0)
    assert ask() == 2 * GIB
    limit(cgroups / "job/step", GIB, GIB // 2, 0)
    assert ask() == GIB // 2
    assert ask(LOCAL_WORLD_SIZE="2") == GIB // 2
    limit(cgroups / "job/step", GIB, 2 * GIB, 0)
    assert ask() == 0


def test_the_first_version_of_cgroups_and_a_container_of_its_own(system):
    ask, proc, cgroups = system
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    (proc / "self/cgroup").write_text("4:cpu:/x\n3:memory:/seen/from/outside\n")
    limit(cgroups / "memory", 4 * GIB, GIB, 0, names)
    assert ask() == 3 * GIB


def test_a_system_that_does_not_say_has_none(tmp_path):
    assert memory_available(environment={}, proc=tmp_path, cgroups=tmp_path) is None
    assert memory_available() > 0
    assert local_ranks({"LOCAL_WORLD_SIZE": "8"}) == 8


def test_amounts_are_written_in_fitting_units():
    assert (gib(3 * GIB), gib(5 << 20)) == ("3.0 GiB", "5.0 MiB")
