#!/usr/bin/env bash
# ct_matrix.sh - the matrix of the local launcher (tests/loop/it_matrix.c) on
# Pods: every operation in every trouble.
# limit: 900
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

need_cluster # the workers' processes are this machine's: they are killed here
address=$(own_address) || skip "no address of this machine is known to Pods"
matrix=$BUILD/it_matrix
[ -x "$matrix" ] || skip "no $matrix"
new_namespace
say "every operation in every trouble, on two Pods each"
MATRIX_HOST=$address MATRIX_IMAGE=$IMAGE MATRIX_NAMESPACE=$ns "$matrix" \
    >"$work/matrix.log" 2>&1
status=$?
cat "$work/matrix.log"
same "exit status" "$status" 0
check "all cells were there" [ "$(grep -c ' ms$' "$work/matrix.log")" -ge 70 ]
nothing_left
finish
