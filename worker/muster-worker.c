/* muster-worker.c - the program. */
#include <muster/worker.h>

int main(int argc, char **argv)
{
    return muster_worker_main(argc, argv);
}
