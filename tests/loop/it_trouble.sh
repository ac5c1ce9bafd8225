#!/usr/bin/env bash
# it_trouble.sh - the manager's own trouble: it or a worker stands still, the
# wall clock jumps, descriptors end, disks are full; and what --events says.
#
# Usage: it_trouble.sh MUSTER WORKER SCRIPT_SO JUMPING_CLOCK_SO TESTS_SUPPORT \
#                      PAGE SLOW
#
#   PAGE   the source of muster-events(5)
#   SLOW   how many times longer everything may take; 0: the same, and without
#          LD_PRELOAD, which sanitizers do not like
set -u
export LC_ALL=C

if [ $# -ne 7 ]; then
    sed -n 's/^# \(Usage\)/\1/p' "$0" >&2
    exit 2
fi
muster=$1
worker=$2
script=$3
clock=$4
support=$5
page=$6
slow=$7
preload=1
checks=0
failures=0
[ "$slow" -gt 0 ] || { slow=4 preload=0; }

unset MUSTER_WORKER KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT
dir=$(mktemp -d "${TMPDIR:-/tmp}/it_trouble.XXXXXX") || exit 1
declare -A pids

clean_up() {
    local p
    for p in "${pids[@]}"; do
        kill -9 "$p" 2>/dev/null
    done
    ! mountpoint -q "$dir/small" || umount "$dir/small"
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

now_ms() {
    local s
    read -r s _ </proc/uptime
    echo $((10#${s/./} * 10))
}

# until_ms MS: wait for that time of now_ms.
until_ms() {
    local left=$(($1 - $(now_ms)))
    [ "$left" -le 0 ] || sleep "$((left / 1000)).$(printf %03d $((left % 1000)))"
}

# begin NAME ARG...: muster run in the background, with --events.
begin() {
    local name=$1
    shift
    : >"$dir/$name.out"
    "$muster" run --events "$dir/$name.jsonl" "$@" >"$dir/$name.out" \
        2>"$dir/$name.err" &
    pids[$name]=$!
}

# begun NAME N: N workers are in their handlers; their processes in $workers.
begun() {
    local until=$(($(now_ms) + 20000))
    while [ "$(grep -c ':.begun ' "$dir/$1.out")" -lt "$2" ]; do
        [ "$(now_ms)" -lt $until ] || {
            fail "$1: not begun"
            break
        }
        sleep 0.02
    done
    mapfile -t workers < <(sed -n 's/^From worker [0-9]*:.begun //p' \
        "$dir/$1.out" | head -n "$2")
}

# ends NAME STATUS: it does, with that.
ends() {
    local status
    wait "${pids[$1]}" 2>/dev/null
    status=$?
    unset "pids[$1]"
    checks=$((checks + 1))
    [ "$status" -eq "$2" ] && return
    fail "$1: exit status $status, not $2"
    head -n 5 "$dir/$1.err" "$dir/$1.out" | sed 's/^/  /'
}

# said NAME out|err WORDS
said() {
    checks=$((checks + 1))
    grep -qE -e "$3" "$dir/$1.$2" && return
    fail "$1: no '$3' on std$2"
    head -n 5 "$dir/$1.$2" | sed 's/^/  /'
}

never_said() {
    checks=$((checks + 1))
    ! grep -E -e "$3" "$dir/$1.$2" || fail "$1: that on std$2"
}

# one_warning NAME: and not one for each event. How far a slow launch is may be
# said, too.
one_warning() {
    checks=$((checks + 1))
    [ "$(grep -c 'cannot write' "$dir/$1.err")" -eq 1 ] ||
        fail "$1: not one line"
}

# events NAME [STATUS|cut]: they are as the page says.
events() {
    local name=$1
    shift
    checks=$((checks + 1))
    python3 "$support/events_check.py" "$page" "$dir/$name.jsonl" "$@" ||
        fail "$name: its events"
}

# cpu_ms PID: what it has used.
cpu_ms() {
    local stat
    read -r stat <"/proc/$1/stat"
    # shellcheck disable=SC2086 # it is several words
    set -- ${stat##*) }
    echo $((10 * (${12} + ${13})))
}

# -------------------------------------------------------- who stands still --

# One after the other would take long: all five at once, and then wait.
test_stopped() {
    local beat=$((2 * slow)) name began
    local -a half_worker twice_worker half_manager twice_manager both
    for name in half_worker twice_worker half_manager twice_manager both; do
        begin $name -n 2 --heartbeat-timeout $beat "$script" hold \
            $((2500 * beat))
        # not the first lines, and not what it has by chance: all of them
        begun $name 2
        eval "$name=(\"\${workers[@]}\")"
    done
    sleep "$beat" # so that the figures know the handler
    began=$(now_ms)
    kill -STOP "${half_worker[0]}" "${twice_worker[0]}" \
        "${pids[half_manager]}" "${pids[twice_manager]}" \
        "${pids[both]}" "${both[@]}"
    until_ms $((began + 500 * beat))
    kill -CONT "${half_worker[0]}" "${pids[half_manager]}"
    until_ms $((began + 2000 * beat))
    checks=$((checks + 1))
    kill -0 "${twice_manager[@]}" 2>/dev/null && # as zombies they are there
        grep -qs '^State:.[RSDT]' "/proc/${twice_manager[0]}/status" \
            "/proc/${twice_manager[1]}/status" &&
        fail "twice_manager: its workers are still there"
    kill -CONT "${pids[twice_manager]}" "${twice_worker[0]}" 2>/dev/null
    # a worker goes on first: it must not be the manager's judge, either
    kill -CONT "${both[0]}"
    sleep 0.1
    kill -CONT "${pids[both]}" "${both[1]}"
    ends half_worker 0
    ends both 0
    ends half_manager 0
    ends twice_worker 3
    ends twice_manager 3
    for name in half_worker half_manager both; do
        said $name out '^result: 3$'
        events $name 0
        never_said $name jsonl '"to":"lost"'
    done
    # who hears nothing from the manager for so long may have dialled anew
    for name in half_worker both; do
        never_said $name jsonl '"to":"cut"'
    done
    said twice_worker out "^lost: worker [12] was silent for \
[0-9.]+ s; when last heard, handler wait_so_long ran for [0-9.]+ s, memory "
    [ "$(grep -c '^lost:' "$dir/twice_worker.out")" -eq 1 ] ||
        fail "twice_worker: more than one is lost"
    events twice_worker 3
    said twice_manager out "^lost: worker [12] ended with status 75: it heard \
nothing from this manager, which stood still for "
    said twice_manager err 'MANAGER-PAUSED ms='
    never_said twice_manager out 'was silent|the manager was silent'
    events twice_manager 3
    said twice_manager jsonl '"to":"lost".*"exit_status":75.*"health":'
    grep -hE '^lost' "$dir"/*.out | sed 's/^/  /'
}

# ------------------------------------------------------------------- clocks --

test_clock() {
    if [ $preload -eq 0 ]; then
        echo "  without LD_PRELOAD: the clock does not jump"
        return
    fi
    cat >"$dir/jumping-worker" <<END
#!/bin/sh
LD_PRELOAD='$clock' exec '$worker' "\$@"
END
    chmod +x "$dir/jumping-worker"
    LD_PRELOAD=$clock MUSTER_WORKER=$dir/jumping-worker timeout 60 "$muster" \
        run -n 2 --heartbeat-timeout 2 --events "$dir/clock.jsonl" "$script" \
        clock "$slow" >"$dir/clock.out" 2>"$dir/clock.err" &
    pids[clock]=$!
    ends clock 0
    said clock out '^jumped$'
    said clock out '^result: 3$'
    never_said clock err 'warn|error|cannot'
    events clock 0
    never_said clock jsonl '"to":"(lost|cut)"'
}

# -------------------------------------------------------------- descriptors --

# Idle, with no descriptor left for those who knock.
test_descriptors() {
    local before used port
    (
        ulimit -n 64
        exec "$muster" run -n 100 --min 100 "$script" hold 0
    ) >"$dir/many.out" 2>"$dir/many.err" &
    pids[many]=$!
    ends many 69
    said many err 'of 100 workers came up.*worker [0-9]+: cannot start it: Too many open files'
    : >"$dir/few.out"
    (
        ulimit -n 100
        exec "$muster" run -n 4 --events "$dir/few.jsonl" "$script" hold \
            $((4000 * slow))
    ) >"$dir/few.out" 2>"$dir/few.err" &
    pids[few]=$!
    begun few 4
    port=$(sed -n '1s/.*"endpoint":"tcp:[^"]*:\([0-9]*\)".*/\1/p' \
        "$dir/few.jsonl")
    before=$(cpu_ms "${pids[few]}")
    python3 - "$port" $((2 * slow)) <<'END'
import socket, sys, time
some = []
for _ in range(200):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(("127.0.0.1", int(sys.argv[1])))
    some.append(s)
time.sleep(int(sys.argv[2]))
END
    used=$(($(cpu_ms "${pids[few]}") - before))
    echo "  200 connections held for $((2 * slow)) s at 100 descriptors: \
$used ms of CPU"
    checks=$((checks + 1))
    [ $used -lt $((400 * slow)) ] || fail "few: it spins"
    ends few 0
    said few out '^result: 10$'
    events few 0
}

# -------------------------------------------------------------------- disks --

test_disks() {
    begin none -n 1 --events "$dir/no/file" "$script" hold 0
    ends none 73
    said none err "cannot write $dir/no/file: No such file"
    begin full -n 1 --events /dev/full "$script" hold 0
    ends full 73
    said full err 'cannot write /dev/full: No space left on device'
    never_said full out .
    "$muster" run -n 2 "$script" hold 0 >/dev/full 2>"$dir/out.err" &
    pids[out]=$!
    ends out 1
    said out err 'standard output could not be written'
    "$muster" run -n 2 "$script" hold 0 >"$dir/err.out" 2>/dev/full &
    pids[err]=$!
    ends err 0
    said err out '^result: 3$'
    # a reader that goes away after the first line
    mkfifo "$dir/pipe"
    "$muster" run -n 2 --events "$dir/pipe" "$script" hold 0 >"$dir/pipe.out" \
        2>"$dir/pipe.err" &
    pids[pipe]=$!
    head -n 1 "$dir/pipe" >/dev/null
    ends pipe 0
    said pipe out '^result: 3$'
    said pipe err 'cannot write .*/pipe: Broken pipe; the run goes on'
    one_warning pipe
}

# A disk that is full in the middle of the run.
test_small_disk() {
    mkdir "$dir/small"
    if ! mount -t tmpfs -o size=64k none "$dir/small" 2>/dev/null; then
        echo "  no mount here: no small disk"
        return
    fi
    head -c 60000 /dev/zero >"$dir/small/fill"
    "$muster" run -n 8 --events "$dir/small/run.jsonl" "$script" hold 0 \
        >"$dir/small.out" 2>"$dir/small.err" &
    pids[small]=$!
    ends small 0
    said small out '^result: 36$'
    said small err 'cannot write .*/run.jsonl: No space left on device; the run goes on'
    one_warning small
    cp "$dir/small/run.jsonl" "$dir/small.jsonl"
    events small cut
    rm "$dir/small/run.jsonl"
    head -c 65536 /dev/zero >"$dir/small/fill" 2>/dev/null
    "$muster" run -n 2 --output "dir=$dir/small/" "$script" hold 0 \
        >"$dir/logs.out" 2>"$dir/logs.err" &
    pids[logs]=$!
    ends logs 1
    said logs out '^result: 3$'
    said logs err 'cannot write .*/small//worker-[12].log: No space left'
    umount "$dir/small"
}

test_lost_ones() {
    begin end -n 3 "$script" hold 2000
    begun end 3
    kill -KILL "${workers[0]}"
    kill -TERM "${workers[1]}"
    ends end 3
    events end 3
    said end jsonl '"to":"lost".*"exit_signal":9'
    said end jsonl '"to":"(lost|gone)".*"exit_status":(143|0)'
    begin gone -n 2 "$script" hold 60000
    begun gone 2
    kill -TERM "${pids[gone]}"
    ends gone 143
    events gone 143
    begin killed -n 2 "$script" hold 60000
    begun killed 2
    kill -KILL "${pids[killed]}"
    ends killed 137
    events killed cut
}

test_stopped
test_clock
test_descriptors
test_disks
test_small_disk
test_lost_ones

echo "$checks checks, $failures failed"
[ $failures -eq 0 ]
