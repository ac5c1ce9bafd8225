#include "map_rig.h"

#include <string.h>

rig *map_rig(uint32_t n)
{
    rig *r = rig_up(n);

    assert_code(muster_module_ship(r->m, MAP_HANDLERS, &r->err), MUSTER_OK,
                r->err);
    return r;
}

muster_map_options map_over(size_t n)
{
    static int64_t numbers[MAP_MOST];
    static muster_item items[MAP_MOST];
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;

    assert_true(n <= MAP_MOST);
    for (size_t i = 0; i < n; i++) {
        numbers[i] = (int64_t)i;
        items[i] = (muster_item){&numbers[i], sizeof(numbers[i])};
    }
    o.items = items;
    o.nitems = n;
    o.timeout_ms = RIG_WAIT_MS;
    return o;
}

int64_t map_value(const muster_result *result)
{
    int64_t n = -1;

    assert_int_equal(result->len, sizeof(n));
    memcpy(&n, result->data, sizeof(n));
    return n;
}
