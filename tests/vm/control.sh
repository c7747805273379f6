#!/bin/bash
# Runs in a guest: takes from the second serial line a number and a script (in base64) a line, and answers with the
# number, the script's exit status and its output (in base64).
stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1
while read -r number script <&3; do
  output=$(base64 -d <<<"$script" | timeout 150 bash 2>&1)
  printf '%s %s %s\n' "$number" "$?" "$(base64 -w0 <<<"$output")" >&3
done
