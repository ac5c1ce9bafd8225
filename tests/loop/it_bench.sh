#!/usr/bin/env bash
# it_bench.sh - muster bench: its table, its JSON, its plot, and its errors.
#
# Usage: it_bench.sh MUSTER SLOW
#
#   SLOW   how many times longer everything may take
set -u
export LC_ALL=C

if [ $# -ne 2 ]; then
    sed -n 's/^# \(Usage\)/\1/p' "$0" >&2
    exit 2
fi
muster=$1
slow=$2
checks=0
failures=0
pid=

ulimit -c 0
unset MUSTER_WORKER KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT
dir=$(mktemp -d "${TMPDIR:-/tmp}/it_bench.XXXXXX") || exit 1
out=$dir/out
err=$dir/err

clean_up() {
    [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

show() {
    echo "  exit status $status"
    head -n 8 "$err" | sed 's/^/  stderr: /'
    head -n 30 "$out" | sed 's/^/  stdout: /'
}

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
    show
}

run() {
    timeout $((30 * slow)) "$muster" "$@" >"$out" 2>"$err"
    status=$?
}

# expect STATUS WHAT [WORDS]...: the words are on stderr.
expect() {
    local want=$1 what=$2 words
    shift 2
    checks=$((checks + 1))
    [ "$status" -eq "$want" ] || fail "$what: want exit status $want"
    for words; do
        checks=$((checks + 1))
        grep -qF -e "$words" "$err" || fail "$what: want '$words' on stderr"
    done
}

# has FILE WORDS...
has() {
    local file=$1 words
    shift
    for words; do
        checks=$((checks + 1))
        grep -qF -e "$words" "$file" || fail "no '$words' in ${file##*/}"
    done
}

# ------------------------------------------------------------------- options --

run bench --help
expect 0 "--help"
has "$out" "Usage: muster bench" --quick --json --plot --launcher --image 70
run bench --frobnicate
expect 64 "unknown option" frobnicate "muster bench --help"
run bench -n 0
expect 64 "no workers" "-n must be at least 1"
run bench -n many
expect 64 "no number" '-n cannot be "many"'
run bench --launcher moon
expect 64 "no such launcher" '--launcher cannot be "moon"'
run bench what
expect 64 "an argument" "what is not expected"
run bench --plot
expect 64 "no file" "--plot wants a value"
run bench --min 1
expect 64 "an option of run" "no option --min"
run run --quick nothing.so
expect 64 "an option of bench" "no option --quick"
run --help
expect 0 "the tool's help"
has "$out" "muster bench"

# ------------------------------------------------------------- what it prints --

run bench -n 2 --quick --plot "$dir/plot.svg"
expect 0 "a table"
has "$out" "launcher local" "blocking call" "p99" "pipelined" "map" "64 KiB" \
    libsodium "every byte"
checks=$((checks + 1))
[ ! -s "$err" ] || fail "words on standard error, which is no terminal"

checks=$((checks + 1))
python3 - "$dir/plot.svg" <<'END' || fail "the plot is not what it should be"
import sys
import xml.etree.ElementTree as tree

svg = tree.parse(sys.argv[1]).getroot()
names = [node.tag.split('}')[1] for node in svg.iter()]
text = ' '.join(svg.itertext())
assert names[0] == 'svg' and names.count('polyline') == 4, names
assert 'script' not in names and 'image' not in names and 'url(' not in text
for word in 'broadcast', 'gather', 'MB/s', 'microseconds', '64 B', '16 KiB':
    assert word in text, word
for line in svg.iter('{http://www.w3.org/2000/svg}polyline'):
    points = [p.split(',') for p in line.get('points').split()]
    xs = [float(p[0]) for p in points]
    assert len(xs) >= 5 and xs == sorted(set(xs)), xs
END

run bench -n 2 --quick --json
expect 0 "JSON"
checks=$((checks + 1))
python3 - "$out" <<'END' || fail "the JSON is not what is documented"
import json
import sys

with open(sys.argv[1]) as file:
    found = json.load(file)


def fits(value, want, where):
    if isinstance(want, dict):
        assert isinstance(value, dict) and value.keys() == want.keys(), where
        for key in want:
            fits(value[key], want[key], where + '.' + key)
    elif isinstance(want, list):
        assert isinstance(value, list) and len(value) >= 5, where
        for item in value:
            fits(item, want[0], where + '[]')
    elif want is float:
        assert isinstance(value, (int, float)) and value > 0, (where, value)
    else:
        assert type(value) is want, (where, value)


sizes = [{'bytes': int, 'median_us': float, 'bytes_per_s': float, 'runs': int}]
fits(found, {
    'schema': int,
    'machine': {'cpu': str, 'kernel': str, 'cores': int,
                'load': type(found['machine']['load']),
                'libzmq': str, 'libsodium': str},
    'muster': str, 'launcher': str, 'workers': int, 'quick': bool,
    'launch': {'first_ready_ms': float, 'all_ready_ms': float},
    'call': {'bytes': int, 'p50_us': float, 'p99_us': float, 'calls': int,
             'pipelined_per_s': float},
    'map': {'items': int, 'per_s': float, 'batched_per_s': float},
    'broadcast': sizes, 'gather': sizes}, '')
assert found['schema'] == 1 and found['workers'] == 2 and found['quick']
assert found['call']['p50_us'] <= found['call']['p99_us']
assert found['launch']['first_ready_ms'] <= found['launch']['all_ready_ms'] + 1
for what in 'broadcast', 'gather':
    assert [r['bytes'] for r in found[what]] == sorted(
        {r['bytes'] for r in found[what]}), what
    for r in found[what]:
        rate = r['bytes'] * 2 * 1e6 / r['median_us']
        assert abs(r['bytes_per_s'] / rate - 1) < 0.01, r
END

# ------------------------------------------------------------ what goes wrong --

run bench -n 1 --quick --plot "$dir/nowhere/plot.svg"
expect 73 "a plot without a folder" "cannot write $dir/nowhere/plot.svg"
checks=$((checks + 1))
[ ! -s "$out" ] || fail "it measured before it looked at the plot"

if [ -e /dev/full ]; then
    run bench -n 1 --quick --plot /dev/full
    expect 73 "a full disk" "cannot write /dev/full"
fi

MUSTER_WORKER=/bin/false run bench -n 1 --quick --plot "$dir/none.svg"
expect 69 "a worker that does not come up" "muster bench:"
checks=$((checks + 1))
[ ! -e "$dir/none.svg" ] || fail "a plot of nothing was left"

echo kept >"$dir/old.svg"
MUSTER_WORKER=/bin/false run bench -n 1 --quick --plot "$dir/old.svg"
checks=$((checks + 1))
[ "$(cat "$dir/old.svg")" = kept ] || fail "an old plot was lost"

# begin: a long bench in the background; $pid, and its workers in ${kids[@]}.
begin() {
    local i
    timeout 60 "$muster" bench -n 2 >"$out" 2>"$err" &
    pid=$!
    kids=()
    for ((i = 0; i < 400 * slow && ${#kids[@]} < 2; i++)); do
        sleep 0.05
        mapfile -t kids < <(pgrep -P "$(pgrep -P "$pid")" 2>/dev/null)
    done
    # a worker that has loaded the module is being measured
    for ((i = 0; i < 400 * slow; i++)); do
        grep -q memfd "/proc/${kids[1]:-0}/maps" 2>/dev/null && break
        sleep 0.05
    done
    sleep 0.3
}

begin
kill -9 "${kids[1]}"
wait "$pid"
status=$?
pid=
expect 70 "a worker killed in the middle" "muster bench:" "worker 2" SIGKILL
checks=$((checks + 1))
[ ! -s "$out" ] || fail "numbers of a broken run"

begin
kill -INT "$(pgrep -P "$pid")"
wait "$pid"
status=$?
pid=
expect 130 "^C" "SIGINT: cancelling"

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ]
