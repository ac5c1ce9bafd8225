/* pool.h - blocks of memory that are used over and over, so that calls in
 * steady state take none from the heap.
 *
 * A pool is a slab of MST_POOL_BYTES, touched only as far as it is needed, and
 * belongs to one runtime. What is larger than MST_POOL_MOST, or finds no place
 * in it, comes from mst_alloc, and what is given back is told apart by its
 * address: mst_pool_free takes both. A NULL pool is the heap.
 *
 * An allocation that tests make to fail fails here, too. Under AddressSanitizer
 * and ThreadSanitizer all comes from the heap, where they see each block.
 *
 * Any thread; no locks.
 */
#ifndef MST_POOL_H
#define MST_POOL_H

#include <stdbool.h>
#include <stddef.h>

#define MST_POOL_BYTES ((size_t)4 << 20)
#define MST_POOL_MOST 2048u /* bytes of a block */

typedef struct mst_pool mst_pool;

/* One reference is the caller's; NULL: no memory. */
mst_pool *mst_pool_create(void);

/* Who may keep a block for longer than the others holds a reference. The last
 * one ends the pool, and all its blocks. */
mst_pool *mst_pool_ref(mst_pool *pool); /* NULL in, NULL out */
void mst_pool_unref(mst_pool **pool);   /* NULL inside is fine */

/* Not cleared, for any type; NULL: no memory. */
void *mst_pool_alloc(mst_pool *pool, size_t bytes);

/* From this pool or from mst_alloc; NULL is fine. */
void mst_pool_free(mst_pool *pool, void *p);

/* False: this build takes all from the heap. */
bool mst_pool_is_on(void);

#endif
