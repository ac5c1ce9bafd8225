#!/usr/bin/env bash
# it_run.sh - the muster tool: what it says, its exit statuses, and its end,
# with and without warning.
#
# Usage: it_run.sh MUSTER WORKER SCRIPT_SO LAME_WORKER MODULES SLOW
#
#   MODULES  a folder with module_NAME/NAME.so
#   SLOW     how many times longer everything may take
set -u
export LC_ALL=C

if [ $# -ne 6 ]; then
    sed -n 's/^# \(Usage\)/\1/p' "$0" >&2
    exit 2
fi
muster=$1
worker=$2
script=$3
lame=$4
modules=$5
slow=$6
checks=0
failures=0
pid=
workers=()

ulimit -c 0
unset MUSTER_WORKER KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT
dir=$(mktemp -d "${TMPDIR:-/tmp}/it_run.XXXXXX") || exit 1
out=$dir/out
err=$dir/err

clean_up() {
    [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
    [ ${#workers[@]} -eq 0 ] || kill -9 "${workers[@]}" 2>/dev/null
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# ------------------------------------------------------------------ helpers --

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

show() {
    echo "  exit status $status"
    head -n 8 "$err" | sed 's/^/  stderr: /'
    head -n 8 "$out" | sed 's/^/  stdout: /'
}

# run ARG...: leaves $out, $err and $status.
run() {
    timeout 30 "$muster" "$@" >"$out" 2>"$err"
    status=$?
}

# expect STATUS WHAT [WORDS]...: the words are on stderr.
expect() {
    local want=$1 what=$2 words
    shift 2
    checks=$((checks + 1))
    if [ "$status" -ne "$want" ]; then
        fail "$what: want exit status $want"
        show
        return
    fi
    for words; do
        grep -qF -e "$words" "$err" && continue
        fail "$what: want '$words' on stderr"
        show
    done
}

# expect_line LINE: there is such a line on stdout.
expect_line() {
    checks=$((checks + 1))
    grep -qxF -e "$1" "$out" && return
    fail "no line '$1'"
    show
}

now_ms() {
    local us=${EPOCHREALTIME/./}
    echo $((us / 1000))
}

# within WHAT BEGAN MS
within() {
    local took=$(($(now_ms) - $2))
    checks=$((checks + 1))
    printf '  %s: %d.%03d s\n' "$1" $((took / 1000)) $((took % 1000))
    [ "$took" -le $(($3 * slow)) ] || fail "$1 took $took ms, not $3"
}

# --------------------------------------------------------- a run to be ended --

# begin WORKERS VERB: a run in the background, with all its workers busy;
# leaves $pid and $workers.
begin() {
    local i line
    rm -f "$dir/pipe"
    mkfifo "$dir/pipe"
    setsid "$muster" run -n "$1" --heartbeat-timeout 3 "$script" "$2" \
        >"$dir/pipe" 2>"$err" &
    pid=$!
    exec 3<"$dir/pipe"
    workers=()
    for ((i = 0; i < $1; i++)); do
        line=
        read -r -t 20 -u 3 line
        case $line in
        "From worker "*$':\tbegun '*) workers+=("${line##* }") ;;
        *)
            fail "begin $1 $2: got '$line'"
            sed 's/^/  stderr: /' "$err"
            ;;
        esac
    done
}

# lives PID: it runs, or is stopped; a zombie does not live.
lives() {
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    stat=${stat##*) }
    [[ $stat != [ZX]* ]]
}

# stop PID: stopped, with all its threads. One that stops only after its
# manager's end is not seen by the kernel, which ends stopped orphans.
stop() {
    local until=$(($(now_ms) + 5000)) running=1
    kill -s STOP "$1"
    while [ "$running" -gt 0 ] && [ "$(now_ms)" -lt "$until" ]; do
        running=$(cat "/proc/$1/task/"*/stat | sed 's/.*) //' | grep -vc '^T')
        [ "$running" -eq 0 ] || sleep 0.01
    done
    [ "$running" -eq 0 ] || fail "worker $1 does not stop"
}

# gone WHAT BEGAN MS: all workers are, so long after BEGAN.
gone() {
    local p until=$(($2 + 3 * $3 * slow)) left=1
    while [ $left -gt 0 ] && [ "$(now_ms)" -lt $until ]; do
        left=0
        for p in "${workers[@]}"; do
            ! lives "$p" || left=$((left + 1))
        done
        [ $left -eq 0 ] || sleep 0.02 # nothing tells of other's children
    done
    within "$1" "$2" "$3"
    [ $left -eq 0 ] || fail "$1: $left workers are still there"
}

# finish: the run's own end; leaves $status.
finish() {
    wait "$pid" 2>/dev/null
    status=$?
    pid=
    exec 3<&-
    : >"$out"
}

# ----------------------------------------------------------- what it is told --

test_usage() {
    local word
    run
    expect 64 "no verb" "muster --help"
    run dance
    expect 64 "unknown verb" dance "muster --help"
    run run
    expect 64 "no script" "which script" "muster run --help"
    for word in "-n" "--no-such" "-n 0" "-n -1" "-n 2x" "-n 99999999999" \
        "--min 3 -n 2" "--min x" "--launcher moon" "--threads 0x" \
        "--pending-timeout 0" "--pending-timeout soon" "--port 70000" \
        "--log-level loud"; do
        # shellcheck disable=SC2086 # it is several words
        run run $word "$script"
        expect 64 "$word" "muster run --help"
        [ ! -s "$out" ] || fail "$word: something on stdout"
    done
    run run -n
    expect 64 "-n without a value" "-n" "wants a value"
    for word in --help -h help; do
        run $word
        expect 0 "$word"
        grep -q '^Usage: muster run' "$out" || fail "$word: no usage"
    done
    run run --help
    expect 0 "run --help"
    for word in --workers --min --launcher --threads --pending-timeout \
        --listen --port --advertise --join-dir --output --timestamps --events --log-level \
        "64 usage" "66 " "69 " "73 " "128+N"; do
        grep -qF -e "$word" "$out" || fail "run --help: nothing of $word"
    done
    run --version
    expect 0 --version
    grep -qE '^muster [0-9]+\.[0-9]+\.[0-9]+$' "$out" || fail "--version"
    run run --version
    expect 0 "run --version"
}

test_script_errors() {
    printf 'not a module\n' >"$dir/text.so"
    head -c 1000 "$script" >"$dir/half.so"
    run run -n 1 /nonexistent/s.so status 0
    expect 66 "missing script" /nonexistent/s.so "No such file"
    run run -n 1 "$dir/text.so"
    expect 66 "text for a script" "not a shared object"
    run run -n 1 "$dir/half.so"
    expect 66 "half a script" "cut off"
    run run -n 1 "$modules/module_second/second.so"
    expect 66 "no muster_main" "has no function muster_main"
    run run -n 1 "$modules/module_abi/abi.so"
    expect 66 "script of another ABI" "module ABI 999"
    run run -n 1 "$modules/module_script_init/script_init.so"
    expect 66 "a script whose start fails" "no such device"
    run run -n 2 "$modules/module_both/both.so"
    expect 0 "a script linked with -z now"
}

test_launch_errors() {
    local port
    KUBECONFIG=/nonexistent/config HOME=/nonexistent run run --launcher k8s \
        -n 1 "$script" status 0
    expect 69 "k8s" /nonexistent/config
    KUBERNETES_SERVICE_HOST=x KUBERNETES_SERVICE_PORT=1 run run -n 1 \
        "$script" status 0
    expect 69 "auto in a Pod, without a service account" "service account"
    MUSTER_WORKER=/bin/false run run -n 2 "$script" status 0
    expect 69 "workers that end" "0 of 2 workers" "status 1"
    MUSTER_WORKER=/nonexistent/w run run -n 2 "$script" status 0
    expect 69 "no worker program" /nonexistent/w
    run run -n 1 --launcher local --listen=192.0.2.1 "$script" status 0
    expect 69 "not our address" 192.0.2.1
    begin 1 heed
    port=$(ss_port)
    run run -n 1 --port "$port" "$script" status 0
    expect 69 "port in use" ":$port" "in use"
    kill "$pid"
    finish
}

# The port that the run in the background listens on.
ss_port() {
    local inode
    inode=$(find "/proc/$pid/fd" -lname 'socket:*' -printf '%l\n' |
        tr -cd '0-9\n' | tr '\n' '|')
    awk -v inodes="|$inode" '$4 == "0A" && index(inodes, "|" $10 "|") {
        split($2, address, ":"); print address[2]; exit }' /proc/net/tcp |
        { read -r port && echo $((16#$port)); }
}

test_lame_workers() {
    local what="a third that does not come up"
    mkdir "$dir/lame"
    cat >"$dir/worker" <<END
#!/bin/sh
export LAME=1 LAME_DIR='$dir/lame' LAME_DO='exit 9'
exec '$lame' "\$@"
END
    chmod +x "$dir/worker"
    MUSTER_WORKER=$dir/worker run run -n 3 --min 2 "$script" size
    expect 0 "$what" "going on with 2 of 3"
    expect_line 2
    rmdir "$dir/lame/1"
    MUSTER_WORKER=$dir/worker run run -n 3 "$script" size
    expect 69 "$what, and all are needed" "status 9" "3 are needed"
}

test_statuses() {
    local status_
    for status_ in 0 3 64 255; do
        run run -n 1 "$script" status $status_
        expect $status_ "status $status_"
    done
    run run -n 2 "$script" fail
    expect 41 "a handler's code" "script: " "as I was told"
    run run "$script" size
    expect 0 "workers by default"
    expect_line "$(nproc)"
    run run -n 1 "$script" args --min 7 -- -x
    expect 0 "the script's own arguments"
    printf '%s\n' "$script" args --min 7 -- -x >"$dir/want"
    cmp -s "$dir/want" "$out" || fail "the script got other arguments"
    { run run -n 1 "$script" crash; } 2>/dev/null # bash tells of it, too
    expect 134 "muster_main crashes"
}

test_output() {
    local rank
    run run -n 2 "$script" say
    expect 0 say
    for rank in 1 2; do
        expect_line "From worker $rank:"$'\t'"I am $rank of 2"
        expect_line "From worker $rank:"$'\t'"without an end"
        grep -qxF "From worker $rank:"$'\t'"and complain" "$err" ||
            fail "stderr of worker $rank"
    done
    [ "$(wc -l <"$out")" -eq 4 ] || fail "say: more or less than 4 lines"
    timeout 30 "$muster" run -n 2 "$script" say >&- 2>"$err"
    status=$?
    expect 0 "closed stdout"
    timeout 30 "$muster" run -n 2 "$script" say >&- 2>&- <&-
    status=$?
    expect 0 "everything closed"
    timeout 30 "$muster" run -n 2 "$script" say >/dev/full 2>"$err"
    status=$?
    expect 1 "full stdout" "standard output could not be written"
}

# lines WHAT FILE LINE...: these and no others, in any order.
lines() {
    local what=$1 file=$2
    shift 2
    checks=$((checks + 1))
    [ "$(sort "$file")" = "$(printf '%s\n' "$@" | sort)" ] && return
    fail "$what: other lines"
    show
}

test_output_modes() {
    local stamp='^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z '
    run run -n 2 --output plain "$script" say
    expect 0 "--output plain"
    lines "--output plain" "$out" "I am 1 of 2" "I am 2 of 2" \
        "without an end" "without an end"
    run run -n 2 --output none "$script" say
    expect 0 "--output none"
    if [ -s "$out" ] || [ -s "$err" ]; then fail "--output none: some"; fi
    run run -n 2 --output "dir=$dir/logs" "$script" say
    expect 0 "--output dir"
    if [ -s "$out" ] || [ -s "$err" ]; then fail "--output dir: elsewhere"; fi
    lines "--output dir" "$dir/logs/worker-2.log" "I am 2 of 2" \
        "and complain" "without an end"
    run run -n 2 --output "dir=$dir/text.so/x" "$script" say
    expect 1 "--output dir in a file" "$dir/text.so/x" "Not a directory"
    mkdir -p "$dir/full"
    ln -s /dev/full "$dir/full/worker-1.log"
    run run -n 2 --output "dir=$dir/full" "$script" say
    expect 1 "--output dir, disk full" "worker-1.log" "No space left"
    cat "$out" "$err" | grep -q "From worker 1:.*I am 1 of 2" ||
        fail "--output dir, disk full: a line is lost"
    run run -n 1 --timestamps "$script" say
    expect 0 "--timestamps"
    [ "$(grep -cE "${stamp}From worker 1:" "$out")" -eq 2 ] ||
        fail "--timestamps: without"
    run run -n 1 --output some "$script" say
    expect 64 "--output some" "--output" "some"
    run run -n 1 --output dir= "$script" say
    expect 64 "--output dir=" "--output"
}

# By hand, as somebody would with what is printed.
test_listen() {
    local n=0 file
    timeout 30 "$muster" run -n 2 --listen --port 0 --join-dir "$dir/join" \
        "$script" say >"$out" 2>"$err" &
    pid=$!
    while [ "$(grep -c 'muster-worker --cookie' "$err")" -lt 2 ] &&
        [ $((n += 1)) -lt 500 ]; do
        sleep 0.02
    done
    workers=()
    while read -r file; do
        "$worker" --cookie "$file" >/dev/null 2>&1 &
        workers+=($!)
    done < <(sed -n 's/.*muster-worker --cookie //p' "$err")
    [ ${#workers[@]} -eq 2 ] || fail "--listen: not two commands"
    wait "$pid"
    status=$?
    pid=
    expect 0 "--listen"
    lines "--listen" "$out" "From worker 1:	I am 1 of 2" \
        "From worker 2:	I am 2 of 2" "From worker 1:	without an end" \
        "From worker 2:	without an end"
    for n in "${workers[@]}"; do
        wait "$n" || fail "--listen: a worker ended with $?"
    done
    [ ! -e "$dir/join" ] || fail "--listen: join files stay"
    workers=()
}

test_list() {
    local n=0
    begin 2 heed
    kill -s USR1 "$pid"
    until grep -q RANK "$err" || [ $((n += 1)) -gt 200 ]; do sleep 0.02; done
    kill "$pid"
    finish
    expect 143 "SIGUSR1" "RANK" "1  ready" "2  ready"
}

# -------------------------------------------------------------- how it ends --

test_signals() {
    local sig verb began
    for sig in INT TERM HUP; do
        for verb in heed stuck; do
            begin 3 $verb
            began=$(now_ms)
            kill -s $sig "$pid"
            finish
            within "SIG$sig, handlers $verb" "$began" 2000
            gone "SIG$sig, handlers $verb, workers gone" "$began" 2000
            expect $((128 + $(kill -l $sig))) "SIG$sig, $verb" "SIG$sig"
        done
    done
    begin 2 heed
    kill -s INT "$pid"
    finish
    expect 130 "SIGINT" "cancelling the work" "cancelled"
    begin 2 stuck
    began=$(now_ms)
    kill -s INT "$pid"
    kill -s INT "$pid"
    finish
    gone "two SIGINT" "$began" 2000
    expect 130 "two SIGINT"
}

# The worker that is no other's; there is one sooner or later.
successor_of() {
    local p i
    for ((i = 0; i < 400; i++)); do
        for p in $(pgrep -P "$pid"); do
            [[ " $* " == *" $p "* ]] || { echo "$p" && return; }
        done
        sleep 0.05
    done
}

test_replace() {
    local next how
    for how in --replace "--replace 5" --replace=5; do
        # shellcheck disable=SC2086 # two words are two arguments
        run run -n 1 $how "$script" size
        expect 0 "$how"
        expect_line 1
    done
    run run --replace=x "$script" size
    expect 64 "a budget that is none" '--replace cannot be "x"'
    run run --grace x "$script" size
    expect 64 "a grace that is none" '--grace cannot be "x"'
    MUSTER_REPLACE=1 begin 2 heed
    kill -s KILL "${workers[1]}"
    next=$(successor_of "${workers[@]}")
    sleep 0.3 # it is ready by then, or lost while it comes: the same here
    kill -s KILL "$next"
    finish
    # which of the two ends the broadcast reports is a matter of time
    expect 1 "the budget is spent" "REPLACE-SPENT" "budget=1" \
        "script: broadcast heed: "
    begin 2 heed
    kill -s TERM "${workers[0]}" "${workers[1]}"
    finish
    expect 1 "SIGTERM to the workers" "WORKER-DRAINS" "drained on SIGTERM"
}

test_manager_killed() {
    local began
    begin 3 stuck
    began=$(now_ms)
    kill -s KILL "$pid"
    finish
    gone "manager SIGKILLed" "$began" 2000
    expect 137 "manager SIGKILLed"
    begin 3 stuck
    stop "${workers[1]}"
    began=$(now_ms)
    kill -s KILL "$pid"
    finish
    gone "manager SIGKILLed, a worker SIGSTOPped" "$began" 5000
}

test_usage
test_script_errors
test_launch_errors
test_lame_workers
test_statuses
test_output
test_output_modes
test_listen
test_list
test_signals
test_replace
test_manager_killed

echo "$checks checks, $failures failed"
[ $failures -eq 0 ]
