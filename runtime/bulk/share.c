/* share.c - payloads that local children read where the manager has put them.
 */
#include <string.h>

#include "base/alloc.h"
#include "bulk/bulk.h"

/* One child reads one segment. */
typedef struct mst_use {
    LIST_ENTRY(mst_use) link;
    uint64_t number;
    unsigned place;
} mst_use;

/* What a worker keeps for longer than a handler runs is not left in a segment.
 */
static bool is_builtin(const mst_record *record)
{
    static const char ours[] = "muster.";
    const size_t n = sizeof(ours) - 1;

    return record->text.len >= n && memcmp(record->text.at, ours, n) == 0;
}

/* True: the child has it mapped, or will when it reads the call. */
static bool make_known(mst_carrier *carrier, unsigned place)
{
    const mst_segment *segment = &carrier->bulk->segments.places[place];
    uint8_t words[MST_SEGMENT_WORDS];

    if ((carrier->known >> place & 1u) != 0)
        return true;
    mst_segment_words(words, MST_SEGMENT_MAP, place, segment->bytes);
    if (!carrier->pass(carrier->arg, words, segment->fd))
        return false;
    carrier->known |= 1u << place;
    return true;
}

static void give_back(mst_carrier *carrier, unsigned place, bool tainted)
{
    if (place < MST_SEGMENTS)
        mst_segments_done(&carrier->bulk->segments, place, tainted);
    else
        carrier->lent &= ~(1u << place);
}

/* A copy of it in a segment; the place, or -1. */
static int in_segment(mst_carrier *carrier, const mst_payload *payload)
{
    const int place = mst_segments_use(
        &carrier->bulk->segments, payload->serial, payload->data, payload->len);

    if (place < 0 || make_known(carrier, (unsigned)place))
        return place;
    give_back(carrier, (unsigned)place, false);
    return -1;
}

/* It is in shared memory of its own; the place, or -1. */
static int in_its_own(mst_carrier *carrier, const mst_payload *payload)
{
    uint8_t words[MST_SEGMENT_WORDS];
    unsigned place = MST_SEGMENTS;

    while (place < MST_PLACES && (carrier->lent >> place & 1u) != 0)
        place++;
    if (place == MST_PLACES)
        return -1;
    mst_segment_words(words, MST_SEGMENT_MAP, place, payload->mapped_bytes);
    if (!carrier->pass(carrier->arg, words, payload->fd))
        return -1;
    carrier->lent |= 1u << place;
    return (int)place;
}

bool mst_share_begin(mst_carrier *carrier, const mst_out *out,
                     mst_record *record)
{
    const mst_payload *payload = out->payload;
    mst_use *use;
    int place;

    if (carrier->pass == NULL || payload->len < MST_SEGMENT_MIN ||
        record->kind != MST_CALL || (payload->fd < 0 && is_builtin(record)))
        return false;
    use = mst_calloc(1, sizeof(*use));
    if (use == NULL)
        return false;
    place = payload->fd >= 0 ? in_its_own(carrier, payload)
                             : in_segment(carrier, payload);
    if (place < 0) {
        mst_free(use);
        return false;
    }
    use->number = ++carrier->bulk->last;
    use->place = (unsigned)place;
    carrier->last_out = use->number;
    LIST_INSERT_HEAD(&carrier->uses, use, link);
    record->flags |= MST_FLAG_SHARED;
    record->transfer = use->number;
    record->seal = (uint8_t)place;
    return true;
}

static void end(mst_carrier *carrier, mst_use *use, bool tainted)
{
    const unsigned place = use->place;

    LIST_REMOVE(use, link);
    mst_free(use);
    give_back(carrier, place, tainted);
}

/* The child could not map it: the next call tries again, but not while others
 * that are there may read it. */
static void not_mapped(mst_carrier *carrier, unsigned place)
{
    const mst_use *use;

    LIST_FOREACH(use, &carrier->uses, link)
    if (use->place == place)
        return;
    carrier->known &= ~(1u << place);
}

bool mst_share_got(mst_carrier *carrier, uint64_t number, bool mapped)
{
    mst_use *use;

    LIST_FOREACH(use, &carrier->uses, link)
    if (use->number == number) {
        const unsigned place = use->place;

        end(carrier, use, false);
        if (!mapped)
            not_mapped(carrier, place);
        return true;
    }
    return false;
}

/* Whether its handlers still run is not known. */
void mst_share_fini(mst_carrier *carrier)
{
    mst_use *use;

    carrier->pass = NULL;
    while ((use = LIST_FIRST(&carrier->uses)) != NULL)
        end(carrier, use, true);
}

void mst_share_gone(void *bulk, unsigned place)
{
    mst_bulk *b = (mst_bulk *)bulk;
    uint8_t words[MST_SEGMENT_WORDS];
    mst_carrier *carrier;

    mst_segment_words(words, MST_SEGMENT_FORGET, place, 0);
    LIST_FOREACH(carrier, &b->carriers, of_bulk)
    if ((carrier->known >> place & 1u) != 0) {
        carrier->known &= ~(1u << place);
        if (carrier->pass != NULL) /* else it keeps it until it ends */
            (void)carrier->pass(carrier->arg, words, -1);
    }
}
