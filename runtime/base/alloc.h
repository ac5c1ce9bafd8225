/* alloc.h - memory, with one hook so that tests can make it fail.
 *
 * Everything that is sized by what users or peers send goes through these and
 * returns NULL when there is no memory.
 */
#ifndef MST_ALLOC_H
#define MST_ALLOC_H

#include <stddef.h>

void *mst_alloc(size_t bytes); /* not cleared                     */
void *mst_calloc(size_t n, size_t bytes);
void *mst_realloc(void *p, size_t bytes);
char *mst_strdup(const char *text); /* NULL in, NULL out               */
/* For payloads: what is large lies in huge pages where the kernel has them,
 * and is kept for the next one, see large.h. */
void *mst_alloc_large(size_t bytes);
/* At a multiple of `align`, a power of two; mst_free. */
void *mst_alloc_aligned(size_t align, size_t bytes);
void mst_free(void *p);

/* For MST_AUTO: frees what a local pointer points to. */
void mst_drop(void *pp);
void mst_drop_fd(int *fd);

/* Tests: fail the n-th allocation from now, and all after it; 0 = never. */
void mst_alloc_fail_after(long n);

/* For allocators on top of these: this allocation is one of them, and has to
 * fail. */
int mst_alloc_fails(void);

#endif
