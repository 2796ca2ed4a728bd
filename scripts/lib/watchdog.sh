#!/bin/sh
# Ends what its parent started when the parent is no more, however the parent ended.
#
# The parent holds the other end of this script's standard input and writes "+ pid starttime" for a
# process that it has started and "- pid" for one that has ended. When the parent dies, the pipe
# closes, and what is still on the list is ended, the latest first: SIGTERM, then SIGKILL after ten
# seconds. The start time (field 22 of /proc/<pid>/stat) keeps a pid that is used again from harm.
list=""
while read -r sign pid since; do
  case "$sign" in
    +) list="$pid:$since $list" ;;
    -)
      kept=""
      for entry in $list; do
        [ "${entry%%:*}" = "$pid" ] || kept="$kept $entry"
      done
      list="$kept"
      ;;
  esac
done

runs() {
  [ -n "$2" ] || { kill -0 "$1" 2>/dev/null; return; }
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  # shellcheck disable=SC2086
  set -- "$2" ${line##*) }
  [ "$2" != Z ] && [ "${21}" = "$1" ]
}

for entry in $list; do
  pid="${entry%%:*}"
  since="${entry#*:}"
  runs "$pid" "$since" || continue
  kill -TERM "$pid" 2>/dev/null
  kill -CONT "$pid" 2>/dev/null
  tries=0
  while runs "$pid" "$since" && [ "$tries" -lt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
  if runs "$pid" "$since"; then kill -KILL "$pid" 2>/dev/null; fi
done
