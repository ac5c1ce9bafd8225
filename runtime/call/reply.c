#include "call/reply.h"

#include "base/alloc.h"
#include "base/cleanup.h"

typedef struct owned {
    muster_reply reply; /* what the program sees */
    void *data;
} owned;

muster_reply *mst_reply_create(void **data, size_t len, uint32_t rank)
{
    owned *r = mst_alloc(sizeof(*r));

    if (r == NULL)
        return NULL;
    r->data = *data;
    *data = NULL;
    r->reply = (muster_reply){r->data, len, rank};
    return &r->reply;
}

void muster_reply_destroy(muster_reply **reply)
{
    owned *r;

    if (*reply == NULL)
        return;
    r = MST_OF(owned, reply, *reply);
    mst_free(r->data);
    mst_free(r);
    *reply = NULL;
}
