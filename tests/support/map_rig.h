/* map_rig.h - workers with map_handlers.c, and items that are numbers. All of
 * it asserts. */
#ifndef MAP_RIG_H
#define MAP_RIG_H

#include "rig.h"

#define MAP_MOST 1000

rig *map_rig(uint32_t n);

/* The items 0 to n - 1, each an int64_t; n <= MAP_MOST. */
muster_map_options map_over(size_t n);

/* The int64_t that is this result. */
int64_t map_value(const muster_result *result);

#endif
