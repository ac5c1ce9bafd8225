/* retry.h - when to try again. Pure. */
#ifndef MST_KUBE_RETRY_H
#define MST_KUBE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* How long to wait before the next try: twice as long each time, up to 10 s,
 * and a random part of it less, so that many do not come back at once.
 *
 *   tries      made so far, at least 1
 *   after_ms   what the server asked for (Retry-After), or -1
 */
int64_t mst_retry_delay_ms(int tries, int64_t after_ms);

/* Is this status one that may be another next time? */
bool mst_retry_status(long status);

#endif
