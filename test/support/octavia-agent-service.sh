#!/bin/sh
# `service UNIT start|stop|reload` without systemd: does what the unit's file says of its one process.
set -eu
unit=/usr/lib/systemd/system/$1.service
said() { sed -n "s/^$1=-\{0,1\}//p" "$unit"; }
environment=$(said Environment)
[ -z "$environment" ] || eval "export $environment"
pid_file=${PIDFILE:-$(said PIDFile)}
case $2 in
  start)
    said ExecStartPre | while read -r command; do eval "$command"; done
    eval "setsid $(said ExecStart) > /var/log/$1.log 2>&1 < /dev/null &"
    for _ in $(seq 100); do [ -s "$pid_file" ] && exit 0; sleep 0.05; done
    cat "/var/log/$1.log"
    exit 1
    ;;
  reload)
    MAINPID=$(head -n 1 "$pid_file")
    export MAINPID
    said ExecReload | while read -r command; do eval "$command"; done
    ;;
  stop)
    kill -TERM "$(head -n 1 "$pid_file")"
    rm -f "$pid_file"
    ;;
esac
