#!/usr/bin/env bash
# A SLURM cluster of one node, this machine: for tests, as root, on Debian 12 (no systemd, no cgroups needed).
#
#   one_node_cluster.sh up DIR          install Debian's packages, configure, start; returns with an idle node
#   one_node_cluster.sh kill-node DIR   the node dies: its daemon and all that runs under it, at once
#   one_node_cluster.sh start-node DIR  the node comes back
#   one_node_cluster.sh down DIR        stop everything that was started
#
# sbatch, squeue and scontrol speak to it then. The GPUs (GPUS=n, default 4) are copies of /dev/null: SLURM
# hands them out, and nothing can be computed on them. CPUS=n (default 8) is what the node claims to have.
set -euo pipefail

usage() { sed -n '2,11s/^# \?//p' "$0" >&2; exit 2; }
[[ $# == 2 ]] || usage
command=$1
mkdir -p "$2"
DIR=$(cd "$2" && pwd)
CPUS=${CPUS:-8}
GPUS=${GPUS:-4}
PORT=${PORT:-16817}
MEMORY=$(awk '/^MemTotal/ {print int($2 / 1024) - 512}' /proc/meminfo)
NODE=$(hostname -s)
CONFIG=$DIR/slurm.conf
# Where SLURM looks by itself: the plugin drops SLURM_CONF from the environment of a job's steps.
SYSTEM_CONFIG=/etc/slurm/slurm.conf
PACKAGES=(munge slurmctld slurmd slurm-client)

fail() { echo "one_node_cluster.sh: $*" >&2; exit 1; }

start() { # name command...: in a session of its own, so that $! is what to stop
  local name=$1
  shift
  setsid "$@" >"$DIR/log/$name.out" 2>&1 </dev/null &
  echo $! >"$DIR/pids/$name"
}

stop() { # name: TERM, up to 15 s of patience, KILL
  local file=$DIR/pids/$1 pid
  [[ -s $file ]] || return 0
  pid=$(<"$file")
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 150); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null || true
  rm -f "$file"
}

wait_for() { # seconds daemon command...: until the command succeeds
  local deadline=$((SECONDS + $1)) daemon=$2
  shift 2
  until timeout -k 1 5 "$@" >/dev/null 2>&1; do
    if ((SECONDS > deadline)) || ! kill -0 "$(<"$DIR/pids/$daemon")" 2>/dev/null; then
      tail -n 5 "$DIR/log/$daemon".* >&2
      stop_all
      fail "$daemon did not come up"
    fi
    sleep 0.1
  done
}

install_packages() {
  dpkg -s "${PACKAGES[@]}" >/dev/null 2>&1 && return
  command -v apt-get >/dev/null || fail "apt-get is missing; this needs Debian or a relative of it"
  # Daemons that a package would start are not ours to stop.
  local policy=/usr/sbin/policy-rc.d own_policy=
  [[ -e $policy ]] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && own_policy=1; }
  apt-get update -qq >"$DIR/log/apt.out" 2>&1 || true
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${PACKAGES[@]}" \
    >>"$DIR/log/apt.out" 2>&1 || { tail -n 5 "$DIR/log/apt.out" >&2; fail "apt-get could not install ${PACKAGES[*]}"; }
  [[ -z $own_policy ]] || rm -f "$policy"
}

configure() {
  rm -rf "$DIR"/{state,spool} && mkdir "$DIR"/{state,spool}
  dd if=/dev/urandom of="$DIR/munge.key" bs=128 count=1 status=none
  chmod 600 "$DIR/munge.key"
  : >"$DIR/gres.conf"
  for ((gpu = 0; gpu < GPUS; gpu++)); do
    rm -f "$DIR/gpu$gpu"
    mknod "$DIR/gpu$gpu" c 1 3
    echo "NodeName=$NODE Name=gpu File=$DIR/gpu$gpu" >>"$DIR/gres.conf"
  done
  # config_overrides: the node may claim more cores than there are.
  # MinJobAge: squeue is the only record of finished jobs without an accounting database.
  # SlurmdTimeout: how soon a dead node is noticed; cred_expire: how long a requeued job waits.
  cat >"$CONFIG" <<END
ClusterName=test
SlurmctldHost=$NODE(127.0.0.1)
SlurmctldPort=$PORT
SlurmdPort=$((PORT + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$DIR/munge.socket,cred_expire=10
CryptoType=crypto/munge
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool
SlurmctldPidFile=$DIR/pids/slurmctld.own
SlurmdPidFile=$DIR/pids/slurmd.own
SlurmctldLogFile=$DIR/log/slurmctld.log
SlurmdLogFile=$DIR/log/slurmd.log
SlurmdParameters=config_overrides
SlurmdTimeout=10
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0
DefMemPerCPU=512
MinJobAge=3600
KillWait=3
AccountingStorageType=accounting_storage/none
NodeName=$NODE NodeAddr=127.0.0.1 CPUs=$CPUS RealMemory=$MEMORY Gres=gpu:$GPUS State=UNKNOWN
PartitionName=main Nodes=$NODE Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=$NODE MaxTime=INFINITE State=UP
END
  mkdir -p "$(dirname "$SYSTEM_CONFIG")"
  ln -sfn "$CONFIG" "$SYSTEM_CONFIG"
}

start_node() {
  start slurmd slurmd -D -N "$NODE"
  wait_for 30 slurmd sh -c 'sinfo -h -N -o %T | grep -qxE "idle|mixed|allocated"'
}

# Steps first: one that outlives its daemon would tell the controller that its job failed.
kill_node() {
  local processes steps
  processes=$(timeout -k 1 10 scontrol listpids 2>/dev/null | awk 'NR > 1 && $1 > 0 {print $1}') || true
  # shellcheck disable=SC2086
  steps=$([[ -z $processes ]] || ps -o ppid= $processes | sort -u)
  kill -9 "$(<"$DIR/pids/slurmd")"
  for pid in $steps; do
    [[ $(ps -o comm= "$pid") != slurmstepd ]] || kill -9 "$pid"
  done
  for pid in $processes; do kill -9 "$pid" 2>/dev/null || true; done
  rm -f "$DIR/pids/slurmd"
}

stop_all() {
  if [[ -s $DIR/pids/slurmctld ]]; then
    timeout -k 1 10 scancel --user=root 2>/dev/null || true
  fi
  for daemon in slurmd slurmctld munged; do stop "$daemon"; done
  [[ $(readlink "$SYSTEM_CONFIG" 2>/dev/null) != "$CONFIG" ]] || rm -f "$SYSTEM_CONFIG"
}

export SLURM_CONF=$CONFIG
mkdir -p "$DIR"/{log,pids,state,spool}
case $command in
  up)
    [[ $(id -u) == 0 ]] || fail "root is needed, to install packages and to run SLURM's daemons"
    [[ ! -e $SYSTEM_CONFIG || -L $SYSTEM_CONFIG ]] || fail "$SYSTEM_CONFIG is there: this machine is a cluster's"
    stop_all
    install_packages
    configure
    start munged munged --foreground --force --key-file="$DIR/munge.key" --socket="$DIR/munge.socket" \
      --pid-file="$DIR/pids/munged.own" --log-file="$DIR/log/munged.log" --seed-file="$DIR/state/munge.seed"
    wait_for 10 munged munge -S "$DIR/munge.socket" -n
    start slurmctld slurmctld -D
    wait_for 20 slurmctld scontrol ping
    start_node
    ;;
  kill-node) kill_node ;;
  start-node) start_node ;;
  down) stop_all ;;
  *) usage ;;
esac
