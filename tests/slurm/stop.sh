#!/usr/bin/env bash
# Stops what start.sh started: by recorded pid and start time, never by name.
set -u
STATE=${STATE:-/tmp/vqx-slurm-${PORT:-26900}}
t0=$(date +%s%N)
alive() { # FILE -> true when the recorded process is the one that runs now
  local pid start; read -r pid start <"$1" 2>/dev/null || return 1
  [ "$(awk '{print $22}' "/proc/$pid/stat" 2>/dev/null)" = "$start" ] && [ "$(awk '{print $3}' "/proc/$pid/stat" 2>/dev/null)" != Z ]
}
stop() { # SIGNAL PATTERN
  local f
  for f in "$STATE"/pid/$2; do [ -f "$f" ] && alive "$f" && kill "-$1" "$(cut -d' ' -f1 "$f")" 2>/dev/null; done
}
gone() { local f n=0; while [ $n -lt "$2" ]; do local any=0; for f in "$STATE"/pid/$1; do [ -f "$f" ] && alive "$f" && any=1; done; [ $any = 0 ] && return 0; sleep 0.1; n=$((n+1)); done; return 1; }
if [ -f "$STATE/env.sh" ] && [ -f "$STATE/pid/slurmctld" ] && alive "$STATE/pid/slurmctld"; then
  . "$STATE/env.sh"
  # end the jobs first: slurmstepd processes survive their slurmd
  timeout 5 scancel -u root 2>/dev/null; timeout 5 scancel -f --signal=KILL -u root 2>/dev/null
  for _ in $(seq 60); do [ -z "$(timeout 5 squeue -h -t R,CG,S,CF 2>/dev/null)" ] && break; sleep 0.1; done
fi
stop TERM 'slurmd-*'; gone 'slurmd-*' 50 || stop KILL 'slurmd-*'
stop TERM slurmctld;  gone slurmctld 100 || stop KILL slurmctld
stop TERM slurmdbd;   gone slurmdbd 50   || stop KILL slurmdbd
stop TERM mariadbd;   gone mariadbd 150  || stop KILL mariadbd
stop TERM munged;     gone munged 30     || stop KILL munged
rm -rf "$STATE/pid" "$STATE/shape"
tag="# vqx-slurm-$(cat "$STATE/port" 2>/dev/null)"
grep -q "$tag\$" /etc/hosts 2>/dev/null && { h=$(grep -v "$tag\$" /etc/hosts); printf '%s\n' "$h" >/etc/hosts; }
echo "stop.sh: stopped in $(( ($(date +%s%N) - t0) / 1000000 )) ms"
