# shellcheck shell=bash
# daemon.sh - processes that outlive this one. Each is known by its number,
# its start time and the boot, so a number that was given anew is never taken
# for ours. Those of a node or of dockerd are in a control group of their own
# too, with everything they started. Sourced by cluster.sh.

# started_at PID: in ticks since the boot; false when it is gone or a zombie.
started_at() {
    local stat
    local -a field
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    read -ra field <<<"${stat##*) }"
    [ "${field[0]}" != Z ] && echo "${field[19]}"
}

boot() {
    cat /proc/sys/kernel/random/boot_id
}

# pid_of NAME: its process while it runs, otherwise false.
pid_of() {
    local pid at boot
    [ -f "$DIR/$1.pid" ] || return 1
    read -r pid at boot <"$DIR/$1.pid" || return 1
    [ "$boot" = "$(boot)" ] && [ "$(started_at "$pid")" = "$at" ] &&
        echo "$pid"
}

running() {
    pid_of "$1" >/dev/null
}

# start NAME COMMAND...: the command must exec, not fork. Its words go to
# NAME.log in the state folder.
start() {
    local name=$1 pid
    shift
    setsid "$@" >>"$DIR/log/$name.log" 2>&1 </dev/null 9>&- &
    pid=$!
    disown "$pid" # else bash tells when it is killed
    echo "$pid $(started_at "$pid") $(boot)" >"$DIR/$name.pid"
}

# stop NAME [SECONDS]: TERM, and KILL when it is still there by then. 0 is
# KILL at once.
stop() {
    local name=$1 left=$((${2:-5} * 10)) pid
    if pid=$(pid_of "$name"); then
        [ "$left" -eq 0 ] || kill -TERM "$pid" 2>/dev/null || true
        while [ "$left" -gt 0 ] && running "$name"; do
            sleep 0.1
            left=$((left - 1))
        done
        ! running "$name" || kill -KILL "$pid" 2>/dev/null || true
        until_ready 10 "end of $name" not running "$name" || return 1
    fi
    rm -f "$DIR/$name.pid"
}

not() {
    ! "$@"
}

# ---------------------------------------------------------- control groups --

# cgroup_roots: the top folder of each hierarchy, those without controllers
# too: the kubelet wants its group in all, and runc makes it in all.
cgroup_roots() {
    local root
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        echo /sys/fs/cgroup
        return
    fi
    awk '/ - cgroup2? / { print $5 }' /proc/self/mountinfo
}

# cgroup_procs NAME: the folder whose processes are those of NAME.
cgroup_procs() {
    if [ -d /sys/fs/cgroup/pids ]; then
        echo "/sys/fs/cgroup/pids/$1"
    else
        cgroup_roots | sed -n "1s,\$,/$1,p"
    fi
}

cgroup_make() {
    local name=$1 root file
    while IFS= read -r root; do
        mkdir -p "$root/$name"
        for file in cpuset.cpus cpuset.mems; do
            [ ! -e "$root/$file" ] || [ -e "$root/cgroup.controllers" ] ||
                cat "$root/$file" >"$root/$name/$file"
        done
        if [ -e "$root/cgroup.controllers" ]; then # version 2
            sed 's/[^ ]\+/+&/g' "$root/cgroup.controllers" \
                >"$root/cgroup.subtree_control"
        fi
    done < <(cgroup_roots)
    mkdir -p "$(cgroup_procs "$name")/daemons"
}

# cgroup_prefix NAME: sets PREFIX, which put before a command runs it there.
cgroup_prefix() {
    # shellcheck disable=SC2016,SC2034 # for the inner shell; for the callers
    PREFIX=(bash -c 'echo $$ >"$0" && exec "$@"'
        "$(cgroup_procs "$1")/daemons/cgroup.procs")
}

# cgroup_pids NAME: all processes in there, at any depth.
cgroup_pids() {
    local group
    group=$(cgroup_procs "$1")
    [ ! -d "$group" ] || find "$group" -name cgroup.procs -exec cat {} + \
        2>/dev/null || true
}

# cgroup_end NAME: end everything in there, and the groups.
cgroup_end() {
    local name=$1 root tries=100
    local -a pids
    while mapfile -t pids < <(cgroup_pids "$name") && [ ${#pids[@]} -gt 0 ]; do
        kill -KILL "${pids[@]}" 2>/dev/null || true
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || {
            warn "these do not end: ${pids[*]}"
            return 1
        }
        sleep 0.1
    done
    while IFS= read -r root; do
        [ ! -d "$root/$name" ] ||
            until_ready 5 "end of $root/$name" cgroup_remove "$root/$name"
    done < <(cgroup_roots)
}

cgroup_remove() {
    [ ! -d "$1" ] || find "$1" -depth -type d -exec rmdir {} +
}
