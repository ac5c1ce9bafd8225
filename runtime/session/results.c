#include "session/results.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static bool grow(mst_results *r, size_t room)
{
    muster_result *items = mst_realloc(r->items, room * sizeof(*items));
    char **texts;
    mst_payload **payloads;

    if (items == NULL)
        return false;
    r->items = items;
    r->results.items = items;
    texts = mst_realloc(r->texts, room * sizeof(*texts));
    if (texts == NULL)
        return false;
    r->texts = texts;
    payloads = mst_realloc(r->payloads, room * sizeof(mst_payload *));
    if (payloads == NULL)
        return false;
    r->payloads = payloads;
    memset(items + r->room, 0, (room - r->room) * sizeof(*items));
    memset(texts + r->room, 0, (room - r->room) * sizeof(*texts));
    memset(payloads + r->room, 0, (room - r->room) * sizeof(mst_payload *));
    r->room = room;
    return true;
}

mst_results *mst_results_create(mst_pool *pool, size_t n)
{
    mst_results *r = mst_calloc(1, sizeof(*r));

    if (r != NULL)
        r->pool = mst_pool_ref(pool);
    if (r != NULL && !grow(r, n > 0 ? n : 16)) {
        muster_results *half = &r->results;

        muster_results_destroy(&half);
        return NULL;
    }
    return r;
}

bool mst_results_set(mst_results *r, size_t i, const muster_result *item,
                     char **text, mst_payload **payload)
{
    if (i >= r->room && !grow(r, i < 8 ? 16 : 2 * i)) {
        mst_free(*text);
        *text = NULL;
        mst_payload_unref(payload);
        return false;
    }
    if (i >= r->results.n)
        r->results.n = i + 1;
    r->items[i] = *item;
    r->texts[i] = MST_MOVE(*text);
    r->payloads[i] = MST_MOVE(*payload);
    r->items[i].text = r->texts[i] != NULL ? r->texts[i] : "";
    r->results.nfailed += item->code != MUSTER_OK;
    return true;
}

void muster_results_destroy(muster_results **results)
{
    mst_results *r;

    if (*results == NULL)
        return;
    r = MST_OF(mst_results, results, *results);
    for (size_t i = 0; i < r->results.n; i++) {
        mst_payload_unref(&r->payloads[i]);
        mst_free(r->texts[i]);
    }
    mst_free(r->items);
    mst_free(r->texts);
    mst_free(r->payloads);
    mst_pool_unref(&r->pool);
    mst_free(r);
    *results = NULL;
}
