/** The shell scripts that run inside sandboxes, between process 1 and the program. Small on purpose: a shell costs a tenth of a Node. */

/**
 * Keeps what comes in, up to 4 MiB and the 4 MiB before. dd, since it neither waits for a full buffer nor reads beyond what it keeps; it
 * writes nothing at all only when nobody is left who could write to it.
 */
const KEEP_LOG = `
keep_log() {
  while :; do
    mv -f "$log" "$log.1" 2>/dev/null
    dd bs=4096 count=1024 status=none of="$log" || exit
    [ -s "$log" ] || { mv -f "$log.1" "$log" 2>/dev/null; exit; }
  done
}
log=$1
shift
echo begun >&4
exec 3>&- 4>&- </dev/null`

/** Arguments: the log's file, the program and its arguments. Runs the program again whenever it ends, after a pause that doubles from 0.1 to 5 seconds and starts anew when it has run for a minute. */
export const SUPERVISE = `${KEEP_LOG}
supervise() {
  pause=1
  while :; do
    started=$(date +%s)
    "$@"
    echo "the agent ended with status $?"
    [ $(($(date +%s) - started)) -lt 60 ] || pause=1
    sleep $((pause / 10)).$((pause % 10))
    pause=$((pause * 2))
    [ $pause -le 50 ] || pause=50
  done
}
supervise "$@" 2>&1 | keep_log`

/** Arguments: the log's file, the command and its arguments. Runs it once. */
export const RUN = `${KEEP_LOG}
"$@" 2>&1 | keep_log`
