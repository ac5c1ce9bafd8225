/* The module's manager side, for `muster run`: its argument is the status. */
#include <stdlib.h>

#include "exercise.h"

int muster_main(muster *m, int argc, char **argv)
{
    if (exercise(m) != 0)
        return 1;
    return argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
}
