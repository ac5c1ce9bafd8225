/* machine.h - where numbers were measured. */
#ifndef MST_CLI_MACHINE_H
#define MST_CLI_MACHINE_H

typedef struct mst_machine {
    char cpu[128]; /* its model, or else the architecture */
    long cores;    /* that this process may use           */
    char kernel[128];
    double load; /* average of the last minute          */
    char libzmq[32];
    char libsodium[32];
} mst_machine;

/* Look. Never fails: what cannot be found out is "" or 0. */
void mst_machine_look(mst_machine *machine);

#endif
