#!/usr/bin/env bash
# A real Slurm cluster (Debian's packages, no systemd, no cgroups) of virtual nodes on loopback, for tests.
#   NODES=4 CPUS=4 GPUS=2 ACCT=none|dbd STATE=DIR tests/slurm/start.sh ; . $STATE/env.sh
# A second call on a healthy cluster of the same shape only says so. Needs root. stop.sh ends it.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
NODES=${NODES:-4}                # virtual nodes n1..nN
CPUS=${CPUS:-4}                  # CPUs each virtual node claims (not enforced: no cgroups)
GPUS=${GPUS:-2}                  # fake GPUs each virtual node claims (gres gpu, CUDA_VISIBLE_DEVICES is set; no device behind it); 0 = none
MEM=${MEM:-8000}                 # MB each virtual node claims (scheduled by, not enforced)
ACCT=${ACCT:-none}               # none: no accounting, sacct answers nothing; dbd: slurmdbd + mariadb, the real sacct
PORT=${PORT:-26900}          # slurmctld PORT, slurmdbd PORT+1, mysqld PORT+2, slurmd PORT+11...
STATE=${STATE:-/tmp/vqx-slurm-$PORT} # a short path: unix sockets' paths are limited to 107 bytes
REQUEUE_WAIT=${REQUEUE_WAIT:-10} # seconds a requeued job waits (Slurm: 120); too short and the old step still lives: "Duplicate jobid", node drained, job held
WAIT=${WAIT:-60}                 # seconds to wait for all nodes idle
[ "$(id -u)" = 0 ] || { echo "start.sh: must be root" >&2; exit 2; }
HOST=$(hostname -s)
export DEBIAN_FRONTEND=noninteractive
t0=$(date +%s.%N); lap() { printf 'start.sh: %-28s %6.2f s\n' "$1" "$(echo "$(date +%s.%N) - $t0" | bc 2>/dev/null || python3 -c "import time;print(time.time()-$t0)")"; }
die() { echo "start.sh: $*" >&2; for f in "$STATE"/log/*.out; do [ -f "$f" ] && { echo "--- tail $f" >&2; tail -n 15 "$f" >&2; }; done; exit 1; }

# ---- 1. packages ------------------------------------------------------------------------------------------------
need=()
have() { [ -x "$1" ]; }
have /usr/sbin/munged    || need+=(munge)
have /usr/sbin/slurmctld || need+=(slurmctld)
have /usr/sbin/slurmd    || need+=(slurmd)
have /usr/bin/sbatch     || need+=(slurm-client)
if [ "$ACCT" = dbd ]; then
  have /usr/sbin/slurmdbd || need+=(slurmdbd)
  have /usr/sbin/mariadbd || need+=(mariadb-server)
fi
if [ ${#need[@]} -gt 0 ]; then
  # never let a package's postinst start its own daemon
  if [ ! -e /usr/sbin/policy-rc.d ]; then printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; POLICY=1; fi
  mkdir -p "$STATE/log"
  inst() { apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${need[@]}" >"$STATE/log/apt.log" 2>&1; }
  inst || { apt-get -o DPkg::Lock::Timeout=300 update >/dev/null 2>&1; inst; } || die "apt-get install ${need[*]} failed"
  [ -n "${POLICY:-}" ] && rm -f /usr/sbin/policy-rc.d
  lap "installed ${need[*]}"
fi

# ---- 2. is the same cluster already up? -------------------------------------------------------------------------
shape="$NODES $CPUS $GPUS $MEM $ACCT $PORT"
ok_now() { [ -f "$STATE/env.sh" ] && . "$STATE/env.sh" && [ "$(timeout 5 sinfo -h -N -p main -o %T 2>/dev/null | grep -cE '^(idle|mixed|allocated|completing)$')" = "$NODES" ]; }
if [ "$(cat "$STATE/shape" 2>/dev/null)" = "$shape" ] && ( ok_now ); then
  echo "start.sh: already up ($NODES nodes); . $STATE/env.sh"; exit 0
fi
if [ -d "$STATE/pid" ]; then STATE=$STATE bash "$HERE/stop.sh" >/dev/null || true; fi

# ---- 3. configuration -------------------------------------------------------------------------------------------
rm -rf "$STATE"/{spool,save,run,etc,pid}
mkdir -p "$STATE"/{etc,spool,save,run,log,pid}; chmod 755 "$STATE" "$STATE"/{etc,spool,save,run,log,pid}
rm -f "$STATE"/log/*.log
( umask 077; dd if=/dev/urandom of="$STATE/etc/munge.key" bs=1 count=1024 status=none )
MUNGE=$STATE/run/munge.sock
gres_types=; gres_node=
: >"$STATE/etc/gres.conf"
if [ "$GPUS" -gt 0 ]; then
  gres_types="GresTypes=gpu"; gres_node=" Gres=gpu:$GPUS"
  # the gpu plugin ignores lines without File and sets CUDA_VISIBLE_DEVICES only for device nodes: twins of /dev/null do
  # (where mknod is refused, plain files: GPUs are scheduled, the variable is not set)
  rm -rf "$STATE/dev"; mkdir -p "$STATE/dev"
  for i in $(seq 0 $((GPUS-1))); do mknod "$STATE/dev/nvidia$i" c 1 3 2>/dev/null || : >"$STATE/dev/nvidia$i"; done
  echo "NodeName=n[1-$NODES] Name=gpu File=$STATE/dev/nvidia[0-$((GPUS-1))]" >"$STATE/etc/gres.conf"
fi
printf 'CgroupPlugin=autodetect\nConstrainCores=no\n' >"$STATE/etc/cgroup.conf"
if [ "$ACCT" = dbd ]; then
  acct="AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((PORT+1))
AccountingStoragePass=$MUNGE"
else
  acct="AccountingStorageType=accounting_storage/none"
fi
cat >"$STATE/etc/slurm.conf" <<CONF
ClusterName=loop
SlurmctldHost=$HOST(127.0.0.1)
SlurmctldPort=$PORT
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$MUNGE,cred_expire=$REQUEUE_WAIT
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=$STATE/save
SlurmdSpoolDir=$STATE/spool/%n
SlurmctldPidFile=$STATE/run/slurmctld.pid
SlurmdPidFile=$STATE/run/slurmd-%n.pid
SlurmctldLogFile=$STATE/log/slurmctld.log
SlurmdLogFile=$STATE/log/slurmd-%n.log
SlurmctldDebug=info
SlurmdDebug=info
# least demanding plugins: nothing below needs cgroups, systemd, PAM, PMIx or hwloc binding
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
# speed: start queued work at once, forget nothing too early, kill quickly
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2,requeue_setup_env_fail
KillWait=3
CompleteWait=0
MinJobAge=3600
OverTimeLimit=0
InactiveLimit=0
SlurmctldTimeout=300
SlurmdTimeout=300
MessageTimeout=30
BatchStartTimeout=30
ReturnToService=2
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
MaxArraySize=1001
SlurmdParameters=config_overrides
JobCompType=jobcomp/filetxt
JobCompLoc=$STATE/log/jobcomp.txt
$acct
$gres_types
$(for i in $(seq 1 "$NODES"); do echo "NodeName=n$i NodeHostname=$HOST NodeAddr=127.0.0.1 Port=$((PORT+10+i)) CPUs=$CPUS RealMemory=$MEM$gres_node State=UNKNOWN"; done)
PartitionName=main Nodes=ALL Default=YES MaxTime=1-00:00:00 DefaultTime=10 State=UP PriorityTier=10 PreemptMode=REQUEUE GraceTime=20 OverSubscribe=NO DefMemPerCPU=256
PartitionName=urgent Nodes=ALL Default=NO MaxTime=1-00:00:00 DefaultTime=10 State=UP PriorityTier=50 PreemptMode=OFF OverSubscribe=NO DefMemPerCPU=256
CONF
echo "export SLURM_CONF=$STATE/etc/slurm.conf" >"$STATE/env.sh"
# slurmd nodes are virtual: make their names resolve (torch's MASTER_ADDR is the first name of the node list)
echo "$PORT" >"$STATE/port"
sed -i "/# vqx-slurm-$PORT\$/d" /etc/hosts 2>/dev/null || { grep -v "# vqx-slurm-$PORT\$" /etc/hosts >"$STATE/run/hosts"; cat "$STATE/run/hosts" >/etc/hosts; }
echo "127.0.0.1$(for i in $(seq 1 "$NODES"); do printf ' n%s' "$i"; done) # vqx-slurm-$PORT" >>/etc/hosts
. "$STATE/env.sh"

# ---- 4. daemons (each in the foreground of its own session; pids recorded with their start time) -----------------
daemon() { # NAME COMMAND...
  local name=$1; shift
  setsid "$@" </dev/null >>"$STATE/log/$name.out" 2>&1 &
  local pid=$!
  echo "$pid $(awk '{print $22}' /proc/$pid/stat 2>/dev/null || true)" >"$STATE/pid/$name"
}
daemon munged /usr/sbin/munged --foreground --force --num-threads=4 --key-file="$STATE/etc/munge.key" --socket="$MUNGE" \
  --pid-file="$STATE/run/munged.pid" --log-file="$STATE/log/munged.log" --seed-file="$STATE/run/munged.seed"
for _ in $(seq 100); do munge -S "$MUNGE" -n 2>/dev/null | unmunge -S "$MUNGE" >/dev/null 2>&1 && break; sleep 0.05; done
munge -S "$MUNGE" -n | unmunge -S "$MUNGE" >/dev/null || die "munged does not answer"
if [ "$ACCT" = dbd ]; then
  MY=$STATE/mysql; PW=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
  if [ ! -f "$MY/ibdata1" ]; then
    rm -rf "$MY"; mariadb-install-db --no-defaults --user=root --datadir="$MY" --skip-test-db --skip-name-resolve >"$STATE/log/mariadb-install.log" 2>&1 || die "mariadb-install-db failed"
  fi
  cat >"$STATE/run/init.sql" <<SQL
DROP DATABASE IF EXISTS slurm_acct_db;
CREATE DATABASE slurm_acct_db;
CREATE OR REPLACE USER 'slurm'@'127.0.0.1' IDENTIFIED BY '$PW';
GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1';
SQL
  daemon mariadbd /usr/sbin/mariadbd --no-defaults --user=root --datadir="$MY" --socket="$STATE/run/mysql.sock" --pid-file="$STATE/run/mysql.pid" \
    --bind-address=127.0.0.1 --port=$((PORT+2)) --skip-name-resolve --init-file="$STATE/run/init.sql" --skip-log-bin \
    --innodb-buffer-pool-size=64M --innodb-log-file-size=16M --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=0 --performance-schema=OFF
  for _ in $(seq 300); do mariadb-admin --no-defaults -h127.0.0.1 -P$((PORT+2)) -uslurm -p"$PW" ping >/dev/null 2>&1 && break; sleep 0.1; done
  lap "mariadbd answers"
  ( umask 077; cat >"$STATE/etc/slurmdbd.conf" <<DBD
AuthType=auth/munge
AuthInfo=socket=$MUNGE
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$((PORT+1))
CommunicationParameters=NoInAddrAny
SlurmUser=root
LogFile=$STATE/log/slurmdbd.log
PidFile=$STATE/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$((PORT+2))
StorageUser=slurm
StoragePass=$PW
StorageLoc=slurm_acct_db
DBD
  )
  daemon slurmdbd /usr/sbin/slurmdbd -D
  for _ in $(seq 100); do timeout 5 sacctmgr -n -i list cluster >/dev/null 2>&1 && break; sleep 0.1; [ $SECONDS -lt $WAIT ] || die "slurmdbd does not answer"; done
  timeout 10 sacctmgr -n list cluster loop format=cluster 2>/dev/null | grep -q loop || timeout 20 sacctmgr -i add cluster loop >/dev/null || die "slurmdbd: cannot add the cluster"
  lap "slurmdbd answers"
fi
daemon slurmctld /usr/sbin/slurmctld -D -i -f "$SLURM_CONF"
for i in $(seq 1 "$NODES"); do mkdir -p "$STATE/spool/n$i"; daemon "slurmd-n$i" /usr/sbin/slurmd -D -f "$SLURM_CONF" -N "n$i"; done

# ---- 5. wait ----------------------------------------------------------------------------------------------------
end=$((SECONDS + WAIT))
while :; do
  n=$(timeout 5 sinfo -h -N -p main -o %T 2>/dev/null | grep -c '^idle$' || true)
  [ "$n" = "$NODES" ] && break
  [ $SECONDS -lt $end ] || { timeout 5 sinfo -N -l >&2 || true; die "only $n of $NODES nodes idle after $WAIT s"; }
  sleep 0.1
done
echo "$shape" >"$STATE/shape"
lap "up: $NODES nodes idle"
echo "start.sh: . $STATE/env.sh"
