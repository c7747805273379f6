#!/bin/sh
# Starts a command on the host that Truce chooses, as a Slurm prolog, a Nomad raw_exec task or a cron job would:
#
#   place.sh APPLICATION CORES MEMORY COMMAND...      place.sh nightly-batch 4 8GiB make -C /srv/batch
#
# START says how a command is started on a host: "ssh -- HOST" by default; for Slurm "srun --nodelist HOST"; HOST stands
# for the host. Its room is reserved for a minute, by then the host reports what runs there. trucectl finds the
# controller by TRUCE_SERVER, TRUCE_CA, TRUCE_CERT and TRUCE_KEY. Exit codes: the command's; trucectl's when no host was
# found; 2 for wrong use.
set -eu
if [ $# -lt 4 ]; then
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
application=$1 cores=$2 memory=$3
shift 3
host=$(trucectl place --application "$application" --cpu "$cores" --memory "$memory" -o name)
echo "place.sh: $application goes to $host" >&2
# shellcheck disable=SC2046  # words are wanted
exec $(printf '%s' "${START:-ssh -- HOST}" | sed "s/HOST/$host/g") "$@"
