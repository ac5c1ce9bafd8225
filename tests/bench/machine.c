#include "machine.h"

#include "cli/machine.h"

#include <stdio.h>
#include <string.h>

#include <muster/error.h>

#ifndef BENCH_MPI_VERSION
#define BENCH_MPI_VERSION ""
#endif

void bench_machine_look(bench_machine *machine)
{
    mst_machine found;

    mst_machine_look(&found);
    memset(machine, 0, sizeof(*machine));
    memcpy(machine->cpu, found.cpu, sizeof(machine->cpu));
    machine->cores = found.cores;
    memcpy(machine->kernel, found.kernel, sizeof(machine->kernel));
    machine->load = found.load;
    memcpy(machine->libzmq, found.libzmq, sizeof(machine->libzmq));
    memcpy(machine->libsodium, found.libsodium, sizeof(machine->libsodium));
    snprintf(machine->muster, sizeof(machine->muster), "%s", muster_version());
    snprintf(machine->mpi, sizeof(machine->mpi), "%s", BENCH_MPI_VERSION);
    snprintf(machine->build, sizeof(machine->build), "%s", BENCH_BUILD);
}
