#include "launch/kube/retry.h"

#include <sodium.h>

#define FIRST_MS 200
#define MOST_MS 10000

int64_t mst_retry_delay_ms(int tries, int64_t after_ms)
{
    int64_t delay = FIRST_MS;

    if (after_ms >= 0)
        return after_ms + (int64_t)randombytes_uniform(FIRST_MS);
    for (int i = 1; i < tries && delay < MOST_MS; i++)
        delay *= 2;
    if (delay > MOST_MS)
        delay = MOST_MS;
    return delay - (int64_t)randombytes_uniform((uint32_t)delay / 2);
}

bool mst_retry_status(long status)
{
    return status == 429 || status == 500 || status == 502 || status == 503 ||
           status == 504;
}
