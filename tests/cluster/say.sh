# shellcheck shell=bash
# say.sh - messages, logs and the lock. Sourced by cluster.sh.

bold='' red='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' red=$'\e[31m' plain=$'\e[0m'
fi

step() {
    printf '%s-- %s%s\n' "$bold" "$*" "$plain"
}

warn() {
    printf '%s%s%s\n' "$red" "$*" "$plain" >&2
}

die() {
    warn "cluster: $*"
    exit 1
}

# logged NAME COMMAND...: what it says goes to NAME.log, and its end is shown
# when it fails.
logged() {
    local log=$LOGS/$1.log
    shift
    mkdir -p "$LOGS"
    "$@" >"$log" 2>&1 </dev/null || {
        tail -n 40 "$log" >&2
        warn "failed: $* (all of it: $log)"
        return 1
    }
}

# lock: waits for another run of ours to end. Held until this process ends;
# daemons are started with the descriptor closed.
lock() {
    mkdir -p "$CACHE"
    exec 9>"$CACHE/lock"
    flock -n 9 && return
    step "waiting for another run to end"
    flock 9
}

# until_ready SECONDS WHAT COMMAND...: false when it never came true.
until_ready() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1 </dev/null; do
        if [ "$SECONDS" -ge "$until" ]; then
            warn "no $what"
            return 1
        fi
        sleep 0.2
    done
}
