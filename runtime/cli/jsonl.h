/* jsonl.h - one JSON object on one line, written without memory of its own.
 * Latches when it does not fit. Pure. */
#ifndef MST_CLI_JSONL_H
#define MST_CLI_JSONL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mst_jsonl {
    char *text;
    size_t len, room;
    bool ok;
    bool first; /* of the members of the innermost object */
} mst_jsonl;

/* "{" into `text`. */
void mst_jsonl_begin(mst_jsonl *j, char *text, size_t room);

/* Members. Names are ours and need no escaping. A string may hold any bytes:
 * what is not UTF-8 becomes U+FFFD. */
void mst_jsonl_str(mst_jsonl *j, const char *name, const char *value);
void mst_jsonl_int(mst_jsonl *j, const char *name, int64_t value);
void mst_jsonl_uint(mst_jsonl *j, const char *name, uint64_t value);
void mst_jsonl_open(mst_jsonl *j, const char *name); /* an object */
void mst_jsonl_close(mst_jsonl *j);

/* "}" and the newline. False: it did not fit. */
bool mst_jsonl_end(mst_jsonl *j);

#endif
