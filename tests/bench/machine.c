#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <muster/error.h>
#include <zmq.h>

#ifndef BENCH_MPI_VERSION
#define BENCH_MPI_VERSION ""
#endif

/* "model name : AMD EPYC"; not every architecture has such a line. */
static void look_at_cpu(char *cpu, size_t size, const char *otherwise)
{
    FILE *info = fopen("/proc/cpuinfo", "re");
    char line[256];

    snprintf(cpu, size, "%s", otherwise);
    if (info == NULL)
        return;
    while (fgets(line, sizeof(line), info) != NULL) {
        const char *colon = strchr(line, ':');

        if (strncmp(line, "model name", 10) != 0 || colon == NULL)
            continue;
        snprintf(cpu, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
        cpu[strcspn(cpu, "\n")] = '\0';
        break;
    }
    fclose(info);
}

void bench_machine_look(bench_machine *machine)
{
    int major, minor, patch;
    struct utsname name;

    memset(machine, 0, sizeof(*machine));
    memset(&name, 0, sizeof(name));
    uname(&name);
    look_at_cpu(machine->cpu, sizeof(machine->cpu), name.machine);
    machine->cores = sysconf(_SC_NPROCESSORS_ONLN);
    snprintf(machine->kernel, sizeof(machine->kernel), "%.60s %.60s",
             name.sysname, name.release);
    if (getloadavg(&machine->load, 1) != 1)
        machine->load = 0;
    snprintf(machine->muster, sizeof(machine->muster), "%s", muster_version());
    zmq_version(&major, &minor, &patch);
    snprintf(machine->libzmq, sizeof(machine->libzmq), "%d.%d.%d", major, minor,
             patch);
    snprintf(machine->mpi, sizeof(machine->mpi), "%s", BENCH_MPI_VERSION);
    snprintf(machine->build, sizeof(machine->build), "%s", BENCH_BUILD);
}
