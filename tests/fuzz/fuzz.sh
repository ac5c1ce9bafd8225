# shellcheck shell=bash
# fuzz.sh - runs the libFuzzer harnesses; a part of ./dev, which reads it.

: "${LOGS:?}" # of ./dev

# fuzz_one HARNESS LIMIT: seeds are borrowed from tests/fuzz/corpus/NAME.
fuzz_one() {
    local harness=$1 limit=$2 name corpus
    name=$(basename "$harness")
    corpus=build/fuzz/corpus/$name
    mkdir -p "$corpus" "$LOGS"
    set -- "$corpus"
    [ ! -d "tests/fuzz/corpus/$name" ] || set -- "$@" "tests/fuzz/corpus/$name"
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$harness" \
        "$limit" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/$name-" "$@" \
        >"$LOGS/$name.log" 2>&1 </dev/null
}

fuzz_result() {
    local name=$1 status=$2 runs cover
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$LOGS/$name.log")
    cover=$(sed -n 's/^#[0-9]*\tDONE *\(cov: .*\) corp: .*/\1/p' \
        "$LOGS/$name.log")
    if [ "$status" -eq 0 ] && [ "${runs:-0}" -gt 0 ]; then
        echo "$name: $runs inputs, nothing found; $cover"
        passed=$((passed + 1))
    else
        tail -n 40 "$LOGS/$name.log" >&2
        warn "$name: failed; the input is build/fuzz/$name-*"
        count_failed "$name"
    fi
}

# fuzz_some HARNESS...: all of these at once.
fuzz_some() {
    local harness status
    local -A pids=()
    for harness; do
        fuzz_one "$harness" \
            "-max_total_time=${MUSTER_FUZZ_SECONDS:-30}" &
        pids[$harness]=$!
    done
    trap 'kill "${pids[@]}" 2>/dev/null; exit 130' INT TERM
    for harness; do
        status=0
        wait "${pids[$harness]}" || status=$?
        fuzz_result "$(basename "$harness")" "$status"
    done
    trap - INT TERM
}

# fuzz_all [REGEX]: every harness, as many at once as there are processors.
fuzz_all() {
    local regex=${1:-} harness i width
    local -a all=()
    step "fuzz, ${MUSTER_FUZZ_SECONDS:-30} s each"
    while IFS= read -r harness; do
        [[ ! ${harness##*/} =~ $regex ]] || all+=("$harness")
    done < <(find build/fuzz -name 'fz_*' -type f -executable | sort)
    if [ ${#all[@]} -eq 0 ] && [ -z "$regex" ]; then
        warn "no harness build/fuzz/fz_*"
        count_failed "fuzz"
    fi
    width=$(nproc)
    for ((i = 0; i < ${#all[@]}; i += width)); do
        fuzz_some "${all[@]:i:width}"
    done
}

# fuzz NAME [--runs N]
fuzz() {
    local harness=build/fuzz/fz_${1:-} runs=10000000 status=0
    [ $# -eq 1 ] || { [ $# -eq 3 ] && [ "$2" = --runs ]; } ||
        die "fuzz: NAME [--runs N]; see ./dev help"
    [ $# -eq 1 ] || runs=$3
    [[ $runs =~ ^[1-9][0-9]*$ ]] || die "fuzz: --runs wants a number"
    need "${BASE[@]}" "${CLANG[@]}"
    build fuzz || die "no build, no fuzzing"
    [ -x "$harness" ] || die "fuzz: no harness fz_$1"
    step "fuzz $1, $runs inputs"
    fuzz_one "$harness" "-runs=$runs" || status=$?
    fuzz_result "fz_$1" "$status"
    [ "${failed:?}" -eq 0 ]
}
