/* machine.h - where the numbers come from. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

typedef struct bench_machine {
    char cpu[128];
    long cores;
    char kernel[128];
    double load; /* average of the last minute */
    char muster[32];
    char libzmq[32];
    char libsodium[32];
    char mpi[32]; /* "" = none */
    char build[32];
} bench_machine;

void bench_machine_look(bench_machine *machine);

#endif
