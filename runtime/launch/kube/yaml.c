#include "launch/kube/yaml.h"

#include <math.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "launch/kube/json.h"
#include "launch/kube/secret.h"

/* 15 digits: cJSON prints no more of a double. */
#define EXACT 999999999999999
#define TAG "tag:yaml.org,2002:"

typedef struct anchor {
    char *name;
    const cJSON *node; /* NULL: it has not ended */
} anchor;

typedef struct key {
    const char *name;
    size_t line;
} key;

typedef struct reader {
    yaml_parser_t yaml;
    const char *text, *name;
    size_t len;
    size_t nodes, depth, repeated; /* bytes */
    anchor anchors[MST_YAML_ANCHORS];
    size_t nanchors;
    key *keys; /* of all mappings that are open */
    size_t nkeys, room;
    muster_err rc;
    muster_error *err;
} reader;

static cJSON *read_node(reader *r, const yaml_event_t *event);

__attribute__((format(printf, 3, 4))) static void *
refuse(reader *r, size_t line, const char *format, ...)
{
    char text[MUSTER_ERROR_TEXT];
    va_list args;

    va_start(args, format);
    mst_sentence(text, sizeof(text), format, args);
    va_end(args);
    r->rc = mst_fail(r->err, MUSTER_EINVAL, "%s:%zu: %s", r->name, line, text);
    return NULL;
}

static void *no_memory(reader *r)
{
    r->rc = mst_fail(r->err, MUSTER_ENOMEM, "no memory to read %s", r->name);
    return NULL;
}

static size_t line_of(const yaml_event_t *event)
{
    return event->start_mark.line + 1;
}

static bool next(reader *r, yaml_event_t *event)
{
    const yaml_parser_t *y = &r->yaml;
    size_t line;

    if (yaml_parser_parse(&r->yaml, event))
        return true;
    if (y->error == YAML_MEMORY_ERROR)
        return no_memory(r) != NULL;
    line = y->problem_mark.line + 1;
    if (y->error == YAML_READER_ERROR) { /* it has no mark */
        line = 1;
        for (size_t i = 0; i < y->problem_offset && i < r->len; i++)
            line += r->text[i] == '\n';
    }
    return refuse(r, line, "%s%s%s",
                  y->problem != NULL ? y->problem : "not YAML",
                  y->context != NULL ? " " : "",
                  y->context != NULL ? y->context : "") != NULL;
}

/* ------------------------------------------------------------- scalars -- */

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static bool all_in(const char *text, const char *set)
{
    return *text != '\0' && text[strspn(text, set)] == '\0';
}

/* [-+]? ( .5 | 5 | 5. | 5.5 ) ( e [-+]? 5 )? */
static bool is_number(const char *text)
{
    size_t before, after = 0;

    text += *text == '-' || *text == '+';
    before = strspn(text, "0123456789");
    text += before;
    if (*text == '.') {
        after = strspn(text + 1, "0123456789");
        text += 1 + after;
    }
    if (before + after == 0)
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '-' || *text == '+';
        return all_in(text, "0123456789");
    }
    return *text == '\0';
}

static cJSON *make_integer(reader *r, size_t line, const char *text, int base)
{
    const bool minus = *text == '-';
    uint64_t value = 0;

    text += *text == '-' || *text == '+';
    if (base == 16 || (text[0] == '0' && text[1] == 'o'))
        text += 2;
    for (; *text != '\0'; text++) {
        const int digit =
            *text <= '9' ? *text - '0' : (*text | 0x20) - 'a' + 10;

        if (digit >= base)
            return refuse(r, line,
                          "a number that begins with 0 is octal, and "
                          "has no digit %d; quote it, or leave out "
                          "the 0",
                          digit);
        value = value * (uint64_t)base + (uint64_t)digit;
        if (value > EXACT)
            return refuse(r, line,
                          "an integer of more than 15 digits; quote it");
    }
    return cJSON_CreateNumber(minus ? -(double)value : (double)value);
}

/* By cJSON, which does not depend on the locale. */
static cJSON *make_float(reader *r, size_t line, const char *text)
{
    MST_AUTO(mst_drop_json) cJSON *number = NULL;
    const bool minus = *text == '-';
    char json[48];

    text += *text == '-' || *text == '+';
    if (snprintf(json, sizeof(json), "%s%s%s", minus ? "-" : "",
                 *text == '.' ? "0" : "", text) >= (int)sizeof(json))
        return refuse(r, line, "a number with too many digits");
    number = mst_json_parse(json, strlen(json));
    if (number == NULL)
        return NULL;
    if (!cJSON_IsNumber(number) || !isfinite(number->valuedouble))
        return refuse(r, line, "a number that is too large");
    return MST_MOVE(number);
}

static cJSON *make_plain(reader *r, size_t line, const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const endless[] = {".inf", ".Inf", ".INF", NULL};
    static const char *const nans[] = {".nan", ".NaN", ".NAN", NULL};
    const char *digits = text + (*text == '-' || *text == '+');

    if (is_one_of(text, nulls))
        return cJSON_CreateNull();
    if (is_one_of(text, trues))
        return cJSON_CreateTrue();
    if (is_one_of(text, falses))
        return cJSON_CreateFalse();
    if (is_one_of(digits, endless) || is_one_of(text, nans))
        return refuse(r, line, "JSON has no %s; quote it", text);
    if (strncmp(text, "0x", 2) == 0 &&
        all_in(text + 2, "0123456789abcdefABCDEF"))
        return make_integer(r, line, text, 16);
    if (strncmp(text, "0o", 2) == 0 && all_in(text + 2, "01234567"))
        return make_integer(r, line, text, 8);
    if (all_in(digits, "0123456789"))
        return make_integer(r, line, text, *digits == '0' ? 8 : 10);
    return is_number(text) ? make_float(r, line, text)
                           : cJSON_CreateString(text);
}

static bool has_tag(const cJSON *json, const char *tag)
{
    return (strcmp(tag, "null") == 0 && cJSON_IsNull(json)) ||
           (strcmp(tag, "bool") == 0 && cJSON_IsBool(json)) ||
           (strcmp(tag, "float") == 0 && cJSON_IsNumber(json)) ||
           (strcmp(tag, "int") == 0 && cJSON_IsNumber(json) &&
            json->valuedouble == (double)(int64_t)json->valuedouble);
}

/* A value may be a secret. */
static void drop_event(yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT)
        sodium_memzero(event->data.scalar.value, event->data.scalar.length);
    yaml_event_delete(event);
}

static cJSON *read_scalar(reader *r, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    const char *tag = (const char *)event->data.scalar.tag;
    const size_t line = line_of(event);
    MST_AUTO(mst_drop_json) cJSON *json = NULL;

    if (strlen(text) != event->data.scalar.length)
        return refuse(r, line, "a string with a NUL in it");
    if (tag != NULL && strncmp(tag, TAG, strlen(TAG)) != 0)
        return refuse(r, line, "the tag %s is not known", tag);
    if (tag != NULL)
        tag += strlen(TAG);
    if (tag == NULL ? event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE
                    : strcmp(tag, "str") == 0)
        json = cJSON_CreateString(text);
    else
        json = make_plain(r, line, text);
    if (json == NULL)
        return r->rc == MUSTER_OK ? no_memory(r) : NULL;
    if (tag != NULL && strcmp(tag, "str") != 0 && !has_tag(json, tag))
        return refuse(r, line, "what has the tag !!%s is something else", tag);
    return MST_MOVE(json);
}

/* ---------------------------------------------------- anchors, aliases -- */

typedef struct extent {
    size_t nodes, bytes, height;
} extent;

static void measure(const cJSON *json, size_t depth, extent *x)
{
    const cJSON *item;

    x->nodes++;
    if (depth > x->height)
        x->height = depth;
    if (json->string != NULL)
        x->bytes += strlen(json->string);
    if (cJSON_IsString(json))
        x->bytes += strlen(json->valuestring);
    cJSON_ArrayForEach(item, json)
    {
        measure(item, depth + 1, x);
    }
}

static cJSON *read_alias(reader *r, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    const size_t line = line_of(event);
    extent x = {0};
    cJSON *copy;
    size_t i = r->nanchors;

    while (i > 0 && strcmp(r->anchors[i - 1].name, name) != 0)
        i--;
    if (i == 0)
        return refuse(r, line, "no anchor &%s stands before its alias", name);
    if (r->anchors[i - 1].node == NULL)
        return refuse(r, line, "the alias *%s is within its own anchor", name);
    measure(r->anchors[i - 1].node, 1, &x);
    r->nodes += x.nodes - 1; /* the alias itself has been counted */
    r->repeated += x.bytes;
    if (r->nodes > MST_YAML_NODES || r->repeated > MST_YAML_BYTES)
        return refuse(r, line, "by its aliases it grows too large");
    if (r->depth + x.height > MST_YAML_DEPTH)
        return refuse(r, line, "nested deeper than %d", MST_YAML_DEPTH);
    copy = cJSON_Duplicate(r->anchors[i - 1].node, true);
    if (copy == NULL)
        return no_memory(r);
    cJSON_free(copy->string); /* the key under which the anchor stands */
    copy->string = NULL;
    return copy;
}

static bool open_anchor(reader *r, size_t line, const yaml_char_t *name)
{
    char *copy;

    if (r->nanchors == MST_YAML_ANCHORS)
        return refuse(r, line, "more than %d anchors", MST_YAML_ANCHORS) !=
               NULL;
    copy = mst_strdup((const char *)name);
    if (copy == NULL)
        return no_memory(r) != NULL;
    r->anchors[r->nanchors++] = (anchor){.name = copy};
    return true;
}

/* -------------------------------------------------- lists and mappings -- */

static bool has_known_tag(reader *r, size_t line, const yaml_char_t *tag,
                          const char *known)
{
    if (tag == NULL || strcmp((const char *)tag, "!") == 0 ||
        strcmp((const char *)tag, known) == 0)
        return true;
    return refuse(r, line, "the tag %s is not known", (const char *)tag) !=
           NULL;
}

static cJSON *read_list(reader *r, const yaml_event_t *start)
{
    MST_AUTO(mst_drop_json) cJSON *list = cJSON_CreateArray();

    if (list == NULL)
        return no_memory(r);
    if (!has_known_tag(r, line_of(start), start->data.sequence_start.tag,
                       TAG "seq"))
        return NULL;
    for (;;) {
        MST_AUTO(drop_event) yaml_event_t event = {0};
        cJSON *item;

        if (!next(r, &event))
            return NULL;
        if (event.type == YAML_SEQUENCE_END_EVENT)
            return MST_MOVE(list);
        item = read_node(r, &event);
        if (item == NULL)
            return NULL;
        cJSON_AddItemToArray(list, item); /* fails for NULL only */
    }
}

static bool check_key(reader *r, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    const bool plain = event->type == YAML_SCALAR_EVENT &&
                       event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    const char *why = NULL;

    if (event->type != YAML_SCALAR_EVENT)
        why = "a key must be a word or a number";
    else if (event->data.scalar.anchor != NULL)
        why = "a key cannot have an anchor";
    else if (event->data.scalar.tag != NULL &&
             strcmp((const char *)event->data.scalar.tag, TAG "str") != 0)
        why = "a key cannot have a tag";
    else if (strlen(text) != event->data.scalar.length)
        why = "a key with a NUL in it";
    else if (plain && *text == '\0')
        why = "a key is missing";
    else if (plain && strcmp(text, "<<") == 0)
        why = "merge keys (<<) are not supported; write the members out";
    return why == NULL || refuse(r, line_of(event), "%s", why) != NULL;
}

static bool note_key(reader *r, const char *name, size_t line)
{
    if (r->nkeys == r->room) {
        const size_t room = r->room == 0 ? 64 : 2 * r->room;
        key *keys = mst_realloc(r->keys, room * sizeof(*keys));

        if (keys == NULL)
            return no_memory(r) != NULL;
        r->keys = keys;
        r->room = room;
    }
    r->keys[r->nkeys++] = (key){.name = name, .line = line};
    return true;
}

static int by_name(const void *a, const void *b)
{
    const key *left = a, *right = b;
    const int order = strcmp(left->name, right->name);

    return order != 0 ? order : left->line < right->line ? -1 : 1;
}

/* The keys of one mapping, from `first` on; they are dropped. */
static bool keys_differ(reader *r, size_t first)
{
    const size_t n = r->nkeys - first;
    key *keys;

    if (n == 0)
        return true;
    keys = r->keys + first;
    qsort(keys, n, sizeof(*keys), by_name);
    for (size_t i = 1; i < n; i++)
        if (strcmp(keys[i - 1].name, keys[i].name) == 0)
            return refuse(r, keys[i].line,
                          "the key %s is there twice, in line "
                          "%zu too",
                          keys[i].name, keys[i - 1].line) != NULL;
    r->nkeys = first;
    return true;
}

static bool read_member(reader *r, cJSON *object, const yaml_event_t *name)
{
    MST_AUTO(drop_event) yaml_event_t event = {0};
    cJSON *item;

    if (!check_key(r, name) || !next(r, &event))
        return false;
    item = read_node(r, &event);
    if (item == NULL)
        return false;
    if (!cJSON_AddItemToObject(object, (const char *)name->data.scalar.value,
                               item)) {
        cJSON_Delete(item);
        return no_memory(r) != NULL;
    }
    return note_key(r, item->string, line_of(name));
}

static cJSON *read_mapping(reader *r, const yaml_event_t *start)
{
    MST_AUTO(mst_drop_json) cJSON *object = cJSON_CreateObject();
    const size_t first = r->nkeys;

    if (object == NULL)
        return no_memory(r);
    if (!has_known_tag(r, line_of(start), start->data.mapping_start.tag,
                       TAG "map"))
        return NULL;
    for (;;) {
        MST_AUTO(drop_event) yaml_event_t event = {0};

        if (!next(r, &event))
            return NULL;
        if (event.type == YAML_MAPPING_END_EVENT)
            return keys_differ(r, first) ? MST_MOVE(object) : NULL;
        if (!read_member(r, object, &event))
            return NULL;
    }
}

static cJSON *read_node(reader *r, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL;
    const size_t line = line_of(event), mine = r->nanchors;
    cJSON *json;

    if (++r->nodes > MST_YAML_NODES)
        return refuse(r, line, "more than %d values", MST_YAML_NODES);
    if (event->type == YAML_ALIAS_EVENT)
        return read_alias(r, event);
    if (++r->depth > MST_YAML_DEPTH)
        return refuse(r, line, "nested deeper than %d", MST_YAML_DEPTH);
    if (event->type == YAML_SCALAR_EVENT)
        anchor = event->data.scalar.anchor;
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        anchor = event->data.sequence_start.anchor;
    else
        anchor = event->data.mapping_start.anchor;
    if (anchor != NULL && !open_anchor(r, line, anchor))
        return NULL;
    if (event->type == YAML_SCALAR_EVENT)
        json = read_scalar(r, event);
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        json = read_list(r, event);
    else
        json = read_mapping(r, event);
    if (anchor != NULL)
        r->anchors[mine].node = json;
    r->depth--;
    return json;
}

/* ------------------------------------------------------------ document -- */

/* The one document, or null for a text without any. */
static cJSON *read_stream(reader *r)
{
    MST_AUTO(mst_drop_json) cJSON *json = NULL;

    for (;;) {
        MST_AUTO(drop_event) yaml_event_t event = {0};

        if (!next(r, &event))
            return NULL;
        switch (event.type) {
        case YAML_STREAM_END_EVENT:
            if (json == NULL)
                json = cJSON_CreateNull();
            return json != NULL ? MST_MOVE(json) : no_memory(r);
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            break;
        case YAML_DOCUMENT_START_EVENT:
            if (json != NULL)
                return refuse(r, line_of(&event), "a second document (---)");
            break;
        default:
            json = read_node(r, &event);
            if (json == NULL)
                return NULL;
        }
    }
}

/* libyaml gives back what it read as it is; both buffers may be none. */
static void wipe_buffers(yaml_parser_t *yaml)
{
    if (yaml->buffer.start != NULL)
        sodium_memzero(yaml->buffer.start,
                       (size_t)(yaml->buffer.end - yaml->buffer.start));
    if (yaml->raw_buffer.start != NULL)
        sodium_memzero(yaml->raw_buffer.start,
                       (size_t)(yaml->raw_buffer.end - yaml->raw_buffer.start));
}

muster_err mst_yaml_parse(const char *text, size_t len, const char *name,
                          cJSON **json, muster_error *err)
{
    reader r = {
        .text = text, .len = len, .name = name, .rc = MUSTER_OK, .err = err};
    cJSON *tree;

    if (!yaml_parser_initialize(&r.yaml))
        return mst_fail(err, MUSTER_ENOMEM, "no memory to read %s", name);
    yaml_parser_set_input_string(&r.yaml, (const unsigned char *)text, len);
    tree = read_stream(&r);
    wipe_buffers(&r.yaml);
    yaml_parser_delete(&r.yaml);
    for (size_t i = 0; i < r.nanchors; i++)
        mst_free(r.anchors[i].name);
    mst_free(r.keys);
    if (tree == NULL)
        return r.rc;
    *json = tree;
    return MUSTER_OK;
}

muster_err mst_yaml_read(const char *path, cJSON **json, muster_error *err)
{
    size_t len = 0;
    char *text = NULL;
    muster_err rc = mst_secret_read(path, MST_YAML_BYTES, &text, &len, err);

    if (rc != MUSTER_OK)
        return rc;
    rc = mst_yaml_parse(text, len, path, json, err);
    sodium_memzero(text, len);
    mst_free(text);
    return rc;
}
