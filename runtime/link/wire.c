#include "link/wire.h"

static const char magic[6] = {'m', 'u', 's', 't', 'e', 'r'};

static const char *const names[MST_KINDS] = {
    [MST_HELLO] = "HELLO",
    [MST_WELCOME] = "WELCOME",
    [MST_REFUSE] = "REFUSE",
    [MST_GOAWAY] = "GOAWAY",
    [MST_HEARTBEAT] = "HEARTBEAT",
    [MST_CALL] = "CALL",
    [MST_RESULT] = "RESULT",
    [MST_CHUNK] = "CHUNK",
    [MST_ABORT] = "ABORT",
    [MST_CANCEL] = "CANCEL",
    [MST_CREDIT] = "CREDIT",
    [MST_STOP] = "STOP",
    [MST_BYE] = "BYE",
    [MST_OUTPUT] = "OUTPUT",
    [MST_INTERRUPT] = "INTERRUPT",
    [MST_TAKEN] = "TAKEN",
    [MST_ACK] = "ACK",
    [MST_DRAIN] = "DRAIN",
    [MST_GOT] = "GOT",
    [MST_AGAIN] = "AGAIN",
    [MST_NOBULK] = "NOBULK",
    [MST_RELAY] = "RELAY",
};

const char *mst_kind_name(mst_kind kind)
{
    if ((unsigned)kind >= MST_KINDS || names[kind] == NULL)
        return "?";
    return names[kind];
}

mst_build mst_build_here(void)
{
    const uint16_t probe = 1;
    const bool little = *(const uint8_t *)&probe == 1;

    return (mst_build){MST_WIRE_VERSION,
                       (uint8_t)sizeof(void *),
                       little ? 1 : 2,
                       {MUSTER_VERSION, sizeof(MUSTER_VERSION) - 1}};
}

static void put_span(mst_writer *w, mst_span span)
{
    if (span.len > UINT16_MAX) {
        w->ok = false;
        return;
    }
    mst_write_u16(w, (uint16_t)span.len);
    mst_write_bytes(w, span.at, span.len);
}

static mst_span get_span(mst_reader *r)
{
    mst_span span = {NULL, mst_read_u16(r)};

    span.at = (const char *)mst_read_bytes(r, span.len);
    if (span.at == NULL)
        span = (mst_span){"", 0};
    return span;
}

static mst_span get_rest(mst_reader *r)
{
    mst_span span = {NULL, r->left};

    span.at = (const char *)mst_read_bytes(r, span.len);
    if (span.at == NULL)
        span = (mst_span){"", 0};
    return span;
}

static void put_side(mst_writer *w, const mst_build *side)
{
    mst_write_bytes(w, magic, sizeof(magic));
    mst_write_u16(w, side->wire);
    mst_write_u8(w, side->word);
    mst_write_u8(w, side->order);
    put_span(w, side->build);
}

static void get_side(mst_reader *r, mst_build *side)
{
    const char *m = (const char *)mst_read_bytes(r, sizeof(magic));

    if (m == NULL || memcmp(m, magic, sizeof(magic)) != 0)
        r->ok = false;
    side->wire = mst_read_u16(r);
    side->word = mst_read_u8(r);
    side->order = mst_read_u8(r);
    side->build = get_span(r);
}

/* What follows the total when the payload comes apart from the record. */
static void put_bulk(mst_writer *w, const mst_record *rec)
{
    if ((rec->flags & (MST_FLAG_BULK | MST_FLAG_SHARED)) == 0)
        return;
    mst_write_u64(w, rec->transfer);
    mst_write_u8(w, rec->seal);
    if ((rec->flags & MST_FLAG_SHARED) != 0)
        return;
    mst_write_bytes(w, rec->key, sizeof(rec->key));
}

static void get_key(mst_reader *r, mst_record *rec)
{
    const void *key = mst_read_bytes(r, sizeof(rec->key));

    if (key != NULL)
        memcpy(rec->key, key, sizeof(rec->key));
}

static void get_bulk(mst_reader *r, mst_record *rec)
{
    const unsigned apart = MST_FLAG_BULK | MST_FLAG_SHARED;

    if ((rec->flags & apart) == 0)
        return;
    rec->transfer = mst_read_u64(r);
    rec->seal = mst_read_u8(r);
    if ((rec->flags & MST_FLAG_SHARED) == 0)
        get_key(r, rec);
    if (r->left != 0 || rec->total == 0 || (rec->flags & apart) == apart ||
        (rec->flags & MST_FLAG_RETRY) != 0)
        r->ok = false;
}

static void put_call(mst_writer *w, const mst_record *rec)
{
    mst_write_u64(w, rec->id);
    mst_write_u64(w, rec->remaining_ms);
    mst_write_u32(w, rec->size);
    mst_write_u32(w, rec->index);
    mst_write_u32(w, rec->count);
    mst_write_u32(w, rec->peer);
    mst_write_u16(w, rec->depth);
    put_span(w, rec->text);
    mst_write_u64(w, rec->total);
    put_bulk(w, rec);
    mst_write_bytes(w, rec->body.at, rec->body.len);
}

static void get_call(mst_reader *r, mst_record *rec)
{
    rec->id = mst_read_u64(r);
    rec->remaining_ms = mst_read_u64(r);
    rec->size = mst_read_u32(r);
    rec->index = mst_read_u32(r);
    rec->count = mst_read_u32(r);
    rec->peer = mst_read_u32(r);
    rec->depth = mst_read_u16(r);
    rec->text = get_span(r);
    rec->total = mst_read_u64(r);
    get_bulk(r, rec);
    rec->body = get_rest(r);
    if (rec->text.len == 0 || rec->text.len > MST_WIRE_NAME ||
        rec->body.len > rec->total)
        r->ok = false;
}

static void put_relay(mst_writer *w, const mst_record *rec)
{
    mst_write_u8(w, rec->mode);
    mst_write_u64(w, rec->transfer);
    mst_write_u32(w, rec->rank);
    mst_write_u32(w, rec->incarnation);
    mst_write_u16(w, rec->bulk_port);
    mst_write_bytes(w, rec->key, sizeof(rec->key));
    put_span(w, rec->text);
}

static void get_relay(mst_reader *r, mst_record *rec)
{
    rec->mode = mst_read_u8(r);
    rec->transfer = mst_read_u64(r);
    rec->rank = mst_read_u32(r);
    rec->incarnation = mst_read_u32(r);
    rec->bulk_port = mst_read_u16(r);
    get_key(r, rec);
    rec->text = get_span(r);
    if (rec->mode >= MST_RELAY_MODES)
        r->ok = false;
}

static void put_welcome(mst_writer *w, const mst_record *rec)
{
    put_side(w, &rec->side);
    mst_write_bytes(w, rec->session, sizeof(rec->session));
    mst_write_u32(w, rec->rank);
    mst_write_u32(w, rec->incarnation);
    mst_write_u32(w, rec->threads);
    mst_write_u32(w, rec->heartbeat_ms);
    mst_write_u32(w, rec->grace_ms);
    mst_write_u64(w, rec->got);
    mst_write_u8(w, rec->bulk_mode);
    mst_write_u16(w, rec->bulk_port);
    mst_write_bytes(w, rec->key, sizeof(rec->key));
}

static void get_welcome(mst_reader *r, mst_record *rec)
{
    const void *session;

    get_side(r, &rec->side);
    /* a manager of another wire version is only to be read so far */
    if (r->ok && rec->side.wire != MST_WIRE_VERSION) {
        (void)get_rest(r);
        return;
    }
    session = mst_read_bytes(r, sizeof(rec->session));
    if (session != NULL)
        memcpy(rec->session, session, sizeof(rec->session));
    rec->rank = mst_read_u32(r);
    rec->incarnation = mst_read_u32(r);
    rec->threads = mst_read_u32(r);
    rec->heartbeat_ms = mst_read_u32(r);
    rec->grace_ms = mst_read_u32(r);
    rec->got = mst_read_u64(r);
    rec->bulk_mode = mst_read_u8(r);
    rec->bulk_port = mst_read_u16(r);
    get_key(r, rec);
}

static void put_result(mst_writer *w, const mst_record *rec)
{
    mst_write_u64(w, rec->id);
    mst_write_u16(w, rec->code);
    mst_write_u32(w, rec->remote);
    mst_write_u32(w, rec->peer);
    put_span(w, rec->text);
    mst_write_u64(w, rec->total);
    put_bulk(w, rec);
    mst_write_bytes(w, rec->body.at, rec->body.len);
}

static void get_result(mst_reader *r, mst_record *rec)
{
    rec->id = mst_read_u64(r);
    rec->code = mst_read_u16(r);
    rec->remote = mst_read_u32(r);
    rec->peer = mst_read_u32(r);
    rec->text = get_span(r);
    rec->total = mst_read_u64(r);
    get_bulk(r, rec);
    rec->body = get_rest(r);
    if (rec->text.len > MST_WIRE_TEXT || rec->body.len > rec->total)
        r->ok = false;
}

static void put_figures(mst_writer *w, const mst_record *rec)
{
    mst_write_u64(w, rec->usage.memory);
    mst_write_u64(w, rec->usage.limit);
    mst_write_u64(w, rec->usage.rss);
    mst_write_u64(w, rec->usage.oom_kills);
    mst_write_u64(w, rec->usage.throttled);
    mst_write_u64(w, rec->usage.throttled_us);
    mst_write_u32(w, rec->running);
    mst_write_u64(w, rec->id);
    mst_write_u64(w, rec->running_ms);
    put_span(w, rec->text);
}

static void get_figures(mst_reader *r, mst_record *rec)
{
    rec->usage.memory = mst_read_u64(r);
    rec->usage.limit = mst_read_u64(r);
    rec->usage.rss = mst_read_u64(r);
    rec->usage.oom_kills = mst_read_u64(r);
    rec->usage.throttled = mst_read_u64(r);
    rec->usage.throttled_us = mst_read_u64(r);
    rec->running = mst_read_u32(r);
    rec->id = mst_read_u64(r);
    rec->running_ms = mst_read_u64(r);
    rec->text = get_span(r);
    if (rec->text.len > MST_WIRE_NAME)
        r->ok = false;
}

static void put_fields(mst_writer *w, const mst_record *rec)
{
    switch (rec->kind) {
    case MST_HELLO:
        put_side(w, &rec->side);
        mst_write_u64(w, rec->instance);
        mst_write_u32(w, rec->pid);
        put_span(w, rec->text);
        mst_write_u64(w, rec->got);
        mst_write_u32(w, rec->turn);
        break;
    case MST_WELCOME:
        put_welcome(w, rec);
        break;
    case MST_REFUSE:
        put_side(w, &rec->side);
        mst_write_u16(w, rec->code);
        put_span(w, rec->text);
        break;
    case MST_GOAWAY:
    case MST_BYE:
        mst_write_u16(w, rec->code);
        put_span(w, rec->text);
        break;
    case MST_CALL:
        put_call(w, rec);
        break;
    case MST_RESULT:
        put_result(w, rec);
        break;
    case MST_CHUNK:
        mst_write_u64(w, rec->id);
        mst_write_u64(w, rec->offset);
        mst_write_bytes(w, rec->body.at, rec->body.len);
        break;
    case MST_ABORT:
    case MST_CANCEL:
        mst_write_u64(w, rec->id);
        break;
    case MST_GOT:
    case MST_AGAIN:
        mst_write_u64(w, rec->transfer);
        mst_write_u32(w, rec->count);
        break;
    case MST_NOBULK:
        put_span(w, rec->text);
        break;
    case MST_RELAY:
        put_relay(w, rec);
        break;
    case MST_CREDIT:
        mst_write_u32(w, rec->credit);
        mst_write_u16(w, rec->depth);
        break;
    case MST_TAKEN:
        mst_write_u32(w, rec->credit);
        break;
    case MST_STOP:
        mst_write_u8(w, rec->mode);
        break;
    case MST_OUTPUT:
        mst_write_u8(w, rec->mode);
        mst_write_bytes(w, rec->body.at, rec->body.len);
        break;
    case MST_DRAIN:
        mst_write_u32(w, rec->grace_ms);
        break;
    case MST_INTERRUPT:
        mst_write_u64(w, rec->id);
        mst_write_u32(w, rec->signal_ms);
        mst_write_u32(w, rec->end_ms);
        break;
    case MST_ACK:
        mst_write_u64(w, rec->got);
        break;
    case MST_HEARTBEAT:
        if ((rec->flags & MST_FLAG_FIGURES) != 0)
            put_figures(w, rec);
        break;
    case MST_KINDS:
        w->ok = false;
        break;
    }
}

void mst_wire_put(mst_writer *w, const mst_record *rec)
{
    unsigned char *const start = w->at;
    mst_writer length;

    mst_write_u32(w, 0);
    mst_write_u8(w, (uint8_t)rec->kind);
    mst_write_u8(w, rec->flags);
    mst_write_u16(w, 0);
    put_fields(w, rec);
    if (!w->ok)
        return;
    length = mst_writer_of(start, 4);
    mst_write_u32(&length, (uint32_t)(w->at - start - 4));
}

size_t mst_wire_fields(const mst_record *rec)
{
    const size_t bulk = (rec->flags & MST_FLAG_SHARED) != 0 ? 9
                        : (rec->flags & MST_FLAG_BULK) != 0
                            ? 9 + MST_BULK_KEY_BYTES
                            : 0;

    switch (rec->kind) {
    case MST_CALL:
        return MST_WIRE_HEADER + 44 + rec->text.len + bulk;
    case MST_RESULT:
        return MST_WIRE_HEADER + 28 + rec->text.len + bulk;
    case MST_CHUNK:
        return MST_WIRE_HEADER + 16;
    case MST_ACK:
        return MST_WIRE_HEADER + 8;
    default:
        return MST_WIRE_FIELDS;
    }
}

static void get_hello(mst_reader *r, mst_record *rec)
{
    get_side(r, &rec->side);
    if (r->ok && rec->side.wire != MST_WIRE_VERSION) {
        (void)get_rest(r);
        return;
    }
    rec->instance = mst_read_u64(r);
    rec->pid = mst_read_u32(r);
    rec->text = get_span(r);
    rec->got = mst_read_u64(r);
    rec->turn = mst_read_u32(r);
}

static void get_refuse(mst_reader *r, mst_record *rec)
{
    get_side(r, &rec->side);
    if (r->ok && rec->side.wire != MST_WIRE_VERSION) {
        (void)get_rest(r);
        return;
    }
    rec->code = mst_read_u16(r);
    rec->text = get_span(r);
}

static void get_fields(mst_reader *r, mst_record *rec)
{
    switch (rec->kind) {
    case MST_HELLO:
        get_hello(r, rec);
        break;
    case MST_WELCOME:
        get_welcome(r, rec);
        break;
    case MST_REFUSE:
        get_refuse(r, rec);
        break;
    case MST_GOAWAY:
    case MST_BYE:
        rec->code = mst_read_u16(r);
        rec->text = get_span(r);
        break;
    case MST_CALL:
        get_call(r, rec);
        break;
    case MST_RESULT:
        get_result(r, rec);
        break;
    case MST_CHUNK:
        rec->id = mst_read_u64(r);
        rec->offset = mst_read_u64(r);
        rec->body = get_rest(r);
        break;
    case MST_ABORT:
    case MST_CANCEL:
        rec->id = mst_read_u64(r);
        break;
    case MST_GOT:
    case MST_AGAIN:
        rec->transfer = mst_read_u64(r);
        rec->count = mst_read_u32(r);
        break;
    case MST_NOBULK:
        rec->text = get_span(r);
        break;
    case MST_RELAY:
        get_relay(r, rec);
        break;
    case MST_CREDIT:
        rec->credit = mst_read_u32(r);
        rec->depth = mst_read_u16(r);
        break;
    case MST_TAKEN:
        rec->credit = mst_read_u32(r);
        break;
    case MST_STOP:
        rec->mode = mst_read_u8(r);
        if (rec->mode > MST_STOP_HAND_BACK)
            r->ok = false;
        break;
    case MST_OUTPUT:
        rec->mode = mst_read_u8(r);
        rec->body = get_rest(r);
        break;
    case MST_DRAIN:
        rec->grace_ms = mst_read_u32(r);
        break;
    case MST_INTERRUPT:
        rec->id = mst_read_u64(r);
        rec->signal_ms = mst_read_u32(r);
        rec->end_ms = mst_read_u32(r);
        break;
    case MST_ACK:
        rec->got = mst_read_u64(r);
        break;
    case MST_HEARTBEAT:
        if ((rec->flags & MST_FLAG_FIGURES) != 0)
            get_figures(r, rec);
        break;
    default:
        r->ok = false;
        break;
    }
}

muster_err mst_wire_get(mst_reader *r, mst_record *rec)
{
    const uint32_t length = mst_read_u32(r);
    const void *bytes = mst_read_bytes(r, length);
    mst_reader field;

    memset(rec, 0, sizeof(*rec));
    if (bytes == NULL || length < MST_WIRE_HEADER - 4) {
        r->ok = false;
        return MUSTER_EPROTO;
    }
    field = mst_reader_of(bytes, length);
    rec->kind = (mst_kind)mst_read_u8(&field);
    rec->flags = mst_read_u8(&field);
    (void)mst_read_u16(&field);
    get_fields(&field, rec);
    if (!field.ok || field.left != 0) {
        r->ok = false;
        return MUSTER_EPROTO;
    }
    return MUSTER_OK;
}
