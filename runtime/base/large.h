/* large.h - memory of large payloads, kept for a while for the next ones: most
 * of what a new block costs is the kernel clearing its pages.
 *
 * Blocks come from the heap, aligned to huge pages; that is how mst_free
 * knows them. Up to MST_LARGE_KEPT bytes that were freed are kept, for
 * MST_LARGE_MS. Under sanitizers, which want to see each block, none is.
 *
 * Any thread.
 */
#ifndef MST_LARGE_H
#define MST_LARGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MST_LARGE ((size_t)1 << 20) /* what is smaller is not large */
#define MST_LARGE_ALIGN ((size_t)2 << 20)
#define MST_LARGE_KEPT ((size_t)256 << 20)
#define MST_LARGE_MS 10000

/* A block of at least so many bytes, not cleared; NULL: no memory. */
void *mst_large_get(size_t bytes);

/* Keeps it. False: it is no large block, or there is no place; free it. */
bool mst_large_keep(void *p);

/* Now and then: frees what nobody has wanted for MST_LARGE_MS. */
void mst_large_tick(int64_t now_ms);

size_t mst_large_kept(void); /* bytes, for tests */
bool mst_large_is_on(void);  /* false: this build keeps none */

#endif
