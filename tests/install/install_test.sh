#!/usr/bin/env bash
# install_test.sh SOURCE_DIR BUILD_DIR
#
# Installs BUILD_DIR into a prefix of its own and uses it as a stranger would:
# a program, a module and a worker program are built outside the tree, by
# pkg-config and by find_package, and run with the installed programs.
set -euo pipefail

[ $# -eq 2 ] || {
    echo "usage: $0 SOURCE_DIR BUILD_DIR" >&2
    exit 2
}
source_dir=$(cd "$1" && pwd)
build_dir=$(cd "$2" && pwd)

# Nothing of the caller's may help.
unset MUSTER_WORKER LD_LIBRARY_PATH LD_PRELOAD PKG_CONFIG_PATH
unset CMAKE_PREFIX_PATH CFLAGS LDFLAGS DESTDIR

work=$(mktemp -d "${TMPDIR:-/tmp}/muster-install.XXXXXX")
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
cc=${CC:-cc}

step() {
    printf -- '-- %s\n' "$*"
}

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# Run a command; print what it said only when it fails.
quietly() {
    "$@" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        fail "$*"
    }
}

# expect STATUS COMMAND...: it ends with STATUS; output in $work/out, /err.
expect() {
    local want=$1 got=0
    shift
    timeout -k 5 60 "$@" >"$work/out" 2>"$work/err" || got=$?
    [ "$got" -eq "$want" ] || {
        cat "$work/out" "$work/err" >&2
        fail "wanted status $want, got $got: $*"
    }
}

# expect_lines FILE: the last output was FILE's.
expect_lines() {
    diff -u "$1" "$work/out" >&2 || {
        cat "$work/err" >&2
        fail "other output than expected"
    }
}

# --------------------------------------------------------------- install --

step "install"
quietly cmake --install "$build_dir" --prefix "$prefix"
pc_dir=$(find "$prefix" -type d -name pkgconfig)
[ -n "$pc_dir" ] || fail "no pkgconfig directory"
export PKG_CONFIG_PATH=$pc_dir
libdir=$(realpath "$(pkg-config --variable=libdir muster)")
bindir=$(realpath "$(pkg-config --variable=bindir muster)")
version=$(pkg-config --modversion muster)

for file in include/muster/{muster,worker,error}.h; do
    [ -f "$prefix/$file" ] || fail "$file is not installed"
done
for file in libmuster.so libmuster.a; do
    [ -f "$libdir/$file" ] || fail "$file is not installed"
done
mandir=$(find "$prefix" -type d -name man)
for page in man1/{muster,muster-bench,muster-worker}.1 man3/{muster_call,muster_map}.3; do
    [ -s "$mandir/$page" ] || fail "$page is not installed"
done
if grep -rl '@[A-Z_]*@' "$mandir" >"$work/strays"; then
    fail "not filled in: $(tr '\n' ' ' <"$work/strays")"
fi
for page in man1/muster.1 man3/muster_call.3; do
    grep -qF "muster $version" "$mandir/$page" ||
        fail "$page is of another version"
done
stray=$(find "$prefix" \( -name '*.o' -o -name '*_bench*' -o -name 'ut_*' \))
[ -z "$stray" ] || fail "these do not belong there: $stray"

step "programs tell who they are"
for program in muster muster-worker; do
    expect 0 "$bindir/$program" --version
    grep -qF "$version" "$work/out" ||
        fail "$program --version does not say $version"
    expect 0 "$bindir/$program" --help
    grep -qF "$program" "$work/out" || fail "$program --help says nothing"
done
expect 0 "$bindir/muster" run --help
[ -s "$work/out" ] || fail "muster run --help says nothing"

# --------------------------------------------------------------- symbols --

step "libmuster.so exports muster_ only, under a versioned name"
nm -D --defined-only --format=posix "$libdir/libmuster.so" |
    awk '$2 != "A" { sub(/@.*/, "", $1); print $1 }' >"$work/exported"
grep -qx muster_open "$work/exported" || fail "muster_open is not exported"
if grep -v '^muster_' "$work/exported" >"$work/strays"; then
    fail "exported too: $(tr '\n' ' ' <"$work/strays")"
fi
soname=$(readelf -d "$libdir/libmuster.so" |
    sed -n 's/.*(SONAME).*\[\(.*\)\].*/\1/p')
[[ $soname =~ ^libmuster\.so\.[0-9]+(\.[0-9]+)*$ ]] ||
    fail "soname is '$soname'"
[ -e "$libdir/$soname" ] || fail "$soname is not installed"
[ "$(realpath "$libdir/libmuster.so")" = "$libdir/libmuster.so.$version" ] ||
    fail "libmuster.so does not lead to libmuster.so.$version"
nm -g --defined-only --format=posix "$libdir/libmuster.a" 2>/dev/null |
    awk 'NF > 1 && $1 !~ /^(muster_|mst_)/ { print $1 }' >"$work/strays"
[ ! -s "$work/strays" ] ||
    fail "global in libmuster.a: $(tr '\n' ' ' <"$work/strays")"

# ------------------------------------------------------------------ runs --

cat >"$work/expected" <<'EOF'
2 workers
call 1: hello world, started 1
call 2: hello world, started 1
EOF
# The words around the handler's own are the library's to choose.
cat >"$work/expected_rest" <<'EOF'
broadcast 1: 0 of 2
broadcast 2: 1 of 2
EOF

# check_exercise: the last output is that of the exercise.
check_exercise() {
    grep -q '^refused 3: .*whom shall I greet?' "$work/out" || {
        cat "$work/out" "$work/err" >&2
        fail "no refusal with its code and words"
    }
    sed -i '/^refused 3: /d; /^own: /d' "$work/out"
    cat "$work/expected" "$work/expected_rest" >"$work/lines"
    expect_lines "$work/lines"
}

# use DIR: run what was built there.
use() {
    expect 0 "$1/program" "$1/module.so"
    check_exercise
    # A program without libmuster.so finds the worker through PATH.
    PATH=$bindir:$PATH expect 0 "$1/program_static" "$1/module.so"
    check_exercise
    expect 0 "$1/program" "$1/module.so" "$1/own_worker"
    grep -qx 'own: from the worker program itself' "$work/out" ||
        fail "the worker program's own handler did not answer"
    check_exercise
    expect 7 "$bindir/muster" run --launcher local -n 2 "$1/module.so" 7
    check_exercise
}

needs_libmuster() {
    readelf -d "$1" | grep -q 'NEEDED.*libmuster'
}

# Copied, so that no relative path leads back into the tree.
cp -r "$source_dir/tests/install/consumer" "$work/consumer"
cd "$work/consumer"

step "pkg-config and cc"
mkdir "$work/by_pc"
read -ra warn <<<"-std=c11 -Wall -Wextra -Werror -O2"
read -ra module_flags <<<"$(pkg-config --cflags muster-module)"
read -ra flags <<<"$(pkg-config --cflags muster)"
read -ra libs <<<"$(pkg-config --libs muster)"
read -ra static_libs <<<"$(pkg-config --static --libs muster |
    sed 's/-lmuster\b/-l:libmuster.a/')"
read -ra worker_flags <<<"$(pkg-config --cflags muster-worker)"
read -ra worker_libs <<<"$(pkg-config --libs muster-worker)"
[ -z "$(pkg-config --libs muster-module | tr -d ' ')" ] ||
    fail "muster-module links something"

quietly "$cc" "${warn[@]}" -shared -fPIC "${module_flags[@]}" \
    -o "$work/by_pc/module.so" script.c exercise.c handlers.c
quietly "$cc" "${warn[@]}" "${flags[@]}" -o "$work/by_pc/program" \
    program.c exercise.c "${libs[@]}" -Wl,-rpath,"$libdir"
quietly "$cc" "${warn[@]}" "${flags[@]}" -o "$work/by_pc/program_static" \
    program.c exercise.c "${static_libs[@]}"
quietly "$cc" "${warn[@]}" "${worker_flags[@]}" -o "$work/by_pc/own_worker" \
    own_worker.c "${worker_libs[@]}" -Wl,-rpath,"$libdir"
needs_libmuster "$work/by_pc/program" || fail "program lacks libmuster.so"
! needs_libmuster "$work/by_pc/program_static" || fail "not linked statically"
! needs_libmuster "$work/by_pc/module.so" || fail "module links libmuster"
use "$work/by_pc"

step "the headers are C++ too"
if command -v c++ >/dev/null; then
    for header in muster worker error; do
        printf '#include <muster/%s.h>\n' "$header" >"$work/header.cc"
        quietly c++ -std=c++17 -Wall -Wextra -Werror -fsyntax-only \
            "${flags[@]}" "$work/header.cc"
    done
fi

step "find_package"
quietly cmake -S . -B "$work/by_cmake" -DCMAKE_PREFIX_PATH="$prefix"
quietly cmake --build "$work/by_cmake"
! needs_libmuster "$work/by_cmake/program_static" ||
    fail "muster::muster_static is not static"
use "$work/by_cmake"

echo "installed copy works"
