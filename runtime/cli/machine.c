#include "cli/machine.h"

#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zmq.h>

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

void mst_machine_look(mst_machine *machine)
{
    int major, minor, patch;
    struct utsname name;
    cpu_set_t set;

    memset(machine, 0, sizeof(*machine));
    memset(&name, 0, sizeof(name));
    uname(&name);
    look_at_cpu(machine->cpu, sizeof(machine->cpu), name.machine);
    machine->cores = sched_getaffinity(0, sizeof(set), &set) == 0
                         ? CPU_COUNT(&set)
                         : sysconf(_SC_NPROCESSORS_ONLN);
    snprintf(machine->kernel, sizeof(machine->kernel), "%.60s %.60s",
             name.sysname, name.release);
    if (getloadavg(&machine->load, 1) != 1)
        machine->load = 0;
    zmq_version(&major, &minor, &patch);
    snprintf(machine->libzmq, sizeof(machine->libzmq), "%d.%d.%d", major, minor,
             patch);
    snprintf(machine->libsodium, sizeof(machine->libsodium), "%s",
             sodium_version_string());
}
