/* wordcount.c - count the words of files on many workers.
 *
 *     cc -O2 -shared -fPIC $(pkg-config --cflags muster-module) \
 *         -o wordcount.so wordcount.c
 *     muster run -n 4 wordcount.so --top 20 *.txt
 *
 * This one file is both sides. `muster run` starts the workers, loads the
 * script on each of them and calls muster_main here, on the manager:
 *
 *     manager: muster_main                  workers: the two handlers
 *
 *     stop words ----- broadcast to all --> use_stop_words
 *     files, cut into pieces
 *       muster_map --- a piece to one ----> count_piece   opens the file and
 *       total <------- its words ----------               reads that piece
 *     sort, print
 *
 * muster_map hands the pieces to whichever worker has room, and those of a
 * worker that is lost to another.
 *
 * The contents of the files do not pass through the manager: it sends a path
 * and a range of bytes. So the workers must be able to read the files under
 * the same path: they run on the same machine, or all mount the same volume.
 *
 * A word is the longest run of A-Z and a-z, in lower case. One that crosses
 * the border of two pieces belongs to the piece where it begins; the end of a
 * file ends it.
 *
 * What both sides use returns 0 or an errno; what only the manager uses returns
 * an exit status and has said why.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <muster/muster.h>
#include <muster/worker.h>

enum {
    PIECES_EACH = 8, /* for each worker, so that all end at about one time */
    MIN_PIECE_BYTES = 64 * 1024, /* but not smaller or larger than this    */
    MAX_PIECE_BYTES = 8 * 1024 * 1024,
    MAX_LOSSES = 3, /* workers that are lost over one piece                */
    BAD_USAGE = 2   /* exit status                                         */
};

/* ---------------------------------------------------- tables, both sides -- */

/* A word and how often it came. Records lie one after the other, each filled
 * up with NULs to the next 8 bytes, and travel as they are: both sides are
 * this file. */
typedef struct record {
    uint64_t hash;
    uint64_t count;
    uint64_t length;
    char letters[]; /* lower case, at least one NUL after them */
} record;

/* Counted words: the records, and a hash table that says where they are. All
 * zero is an empty table. */
typedef struct table {
    char *bytes; /* the records; `used` of `room` bytes              */
    size_t used, room;
    size_t *places; /* 1 + where a record begins, or 0 for a free place */
    size_t nplaces; /* a power of two, or 0 */
    size_t nwords;
} table;

static void table_free(table *t)
{
    free(t->bytes);
    free(t->places);
    *t = (table){0};
}

static size_t record_bytes(size_t length)
{
    return sizeof(record) + ((length + 8) & ~(size_t)7);
}

static record *table_record(const table *t, size_t at)
{
    return (void *)(t->bytes + at);
}

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash_of(const char *letters, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)letters[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* The place of a word, or the free one where it would go. */
static size_t *table_find(const table *t, const char *letters, size_t length,
                          uint64_t hash)
{
    for (size_t i = hash;; i++) {
        size_t *place = &t->places[i & (t->nplaces - 1)];
        const record *r;

        if (*place == 0)
            return place;
        r = table_record(t, *place - 1);
        if (r->hash == hash && r->length == length &&
            memcmp(r->letters, letters, length) == 0)
            return place;
    }
}

/* Keep at least half of the places free, so that none is far. */
static int table_grow(table *t)
{
    const size_t nplaces = t->nplaces == 0 ? 1024 : 2 * t->nplaces;
    size_t *places;

    if (2 * t->nwords < t->nplaces)
        return 0;
    places = calloc(nplaces, sizeof(*places));
    if (places == NULL)
        return ENOMEM;
    free(t->places);
    t->places = places;
    t->nplaces = nplaces;
    for (size_t at = 0; at < t->used;) {
        const record *r = table_record(t, at);
        *table_find(t, r->letters, r->length, r->hash) = 1 + at;
        at += record_bytes(r->length);
    }
    return 0;
}

static int table_add(table *t, const char *letters, size_t length,
                     uint64_t count)
{
    const uint64_t hash = hash_of(letters, length);
    const size_t need = record_bytes(length);
    size_t *place;
    record *r;

    if (table_grow(t) != 0)
        return ENOMEM;
    place = table_find(t, letters, length, hash);
    if (*place != 0) {
        table_record(t, *place - 1)->count += count;
        return 0;
    }
    if (t->room - t->used < need) {
        const size_t room = 2 * (t->used + need);
        char *bytes = realloc(t->bytes, room);
        if (bytes == NULL)
            return ENOMEM;
        t->bytes = bytes;
        t->room = room;
    }
    r = memset(t->bytes + t->used, 0, need);
    *r = (record){.hash = hash, .count = count, .length = length};
    memcpy(r->letters, letters, length);
    *place = 1 + t->used;
    t->used += need;
    t->nwords++;
    return 0;
}

/* Add what came from the other side; lengths are checked before their use. */
static int table_merge(table *t, const char *bytes, size_t size)
{
    while (size > 0) {
        const record *r = (const void *)bytes;
        size_t step;

        if (size < sizeof(*r) || r->length > size - sizeof(*r))
            return EPROTO;
        step = record_bytes(r->length);
        if (step > size || bytes[step - 1] != '\0')
            return EPROTO;
        if (table_add(t, r->letters, r->length, r->count) != 0)
            return ENOMEM;
        bytes += step;
        size -= step;
    }
    return 0;
}

/* --------------------------------------------------- reading, both sides -- */

/* The lower-case letter that a byte stands for, or 0. EOF is no letter. */
static inline int letter_of(int byte)
{
    const int low = byte | 0x20;

    return low >= 'a' && low <= 'z' ? low : 0;
}

/* Add the words that begin in the bytes begin .. end-1 of a file to a table.
 * `ctx` is the handler that does it, or NULL on the manager.
 *
 * The file is read as a stream. Only the present word is kept in memory; it may
 * be longer than the range. */
static int count_words(FILE *in, uint64_t begin, uint64_t end,
                       const muster_ctx *ctx, table *words)
{
    uint64_t at = begin > 0 ? begin - 1 : 0;
    bool foreign = begin > 0; /* a word that began before the range */
    char *word = NULL;
    size_t length = 0, room = 0;
    int byte = 0, rc = 0;

    if (begin > 0 && fseeko(in, (off_t)at, SEEK_SET) != 0)
        return errno;
    for (; rc == 0 && byte != EOF && (at < end || length > 0); at++) {
        byte = getc_unlocked(in);
        const int letter = letter_of(byte);

        if (byte == EOF && ferror(in)) {
            rc = errno;
        } else if (letter == 0) {
            if (length > 0)
                rc = table_add(words, word, length, 1);
            length = 0;
            foreign = false;
        } else if (!foreign) {
            if (length == room) {
                char *longer = realloc(word, 2 * room + 64);
                if (longer == NULL) {
                    rc = ENOMEM;
                    break;
                }
                word = longer;
                room = 2 * room + 64;
            }
            word[length++] = (char)letter;
        }
        if (at % (1 << 20) == 0 && ctx != NULL && muster_ctx_canceled(ctx))
            rc = ECANCELED;
    }
    free(word);
    return rc;
}

/* --------------------------------------------------------------- workers -- */

/* What count_piece is asked for. */
typedef struct request {
    uint64_t begin, end;
    uint64_t nstop; /* how many stop words the worker must know */
    char path[];    /* absolute, up to its NUL                  */
} request;

/* This worker's own. It is written before the first piece comes and only read
 * from then on, so it needs no lock even where several handlers run at once. */
static table stop_words;

static int use_stop_words(muster_ctx *ctx, const void *in, size_t len,
                          muster_out *out)
{
    int rc;

    (void)out; /* nothing to tell but that it is done */
    table_free(&stop_words);
    rc = table_merge(&stop_words, in, len);
    return rc == 0 ? 0 : muster_fail(ctx, rc, "stop words: %s", strerror(rc));
}
MUSTER_HANDLER(use_stop_words);

/* Write a table as the result, without the stop words. */
static int write_words(const table *words, muster_out *out)
{
    int rc = 0;

    for (size_t at = 0; rc == 0 && at < words->used;) {
        const record *r = table_record(words, at);
        const size_t step = record_bytes(r->length);

        if (stop_words.nwords == 0 ||
            *table_find(&stop_words, r->letters, r->length, r->hash) == 0)
            rc = muster_out_write(out, r, step);
        at += step;
    }
    return rc;
}

static int count_piece(muster_ctx *ctx, const void *in, size_t len,
                       muster_out *out)
{
    const request *ask = in;
    table words = {0};
    struct stat st;
    FILE *file;
    int rc;

    if (len <= sizeof(*ask) || ((const char *)in)[len - 1] != '\0')
        return muster_fail(ctx, EPROTO, "not a request: %zu bytes", len);
    if (ask->nstop != stop_words.nwords)
        return muster_fail(ctx, EPROTO, "the stop words did not come here");
    file = fopen(ask->path, "re");
    if (file == NULL)
        return muster_fail(ctx, errno, "cannot open it: %s", strerror(errno));
    rc = count_words(file, ask->begin, ask->end, ctx, &words);
    if (rc != 0)
        rc = muster_fail(ctx, rc, "cannot count it: %s", strerror(rc));
    else if (fstat(fileno(file), &st) == 0 && (uint64_t)st.st_size < ask->end)
        rc = muster_fail(ctx, EIO, "it is shorter here than on the manager");
    else
        rc = write_words(&words, out);
    fclose(file);
    table_free(&words);
    return rc;
}
MUSTER_HANDLER(count_piece);

/* --------------------------------------------------------------- manager -- */

typedef struct file {
    const char *name; /* as on the command line */
    char *path;       /* absolute: a worker may be in another directory */
    uint64_t bytes;
} file;

typedef struct job {
    muster *m;
    uint64_t top; /* how many words to print */
    uint64_t piece_bytes;
    const char *stop_path; /* or NULL */
    table stop, total;
    file *files;
    size_t nfiles;
    muster_item *pieces; /* each a request; those of one file together */
    size_t npieces;
    bool failed; /* and it was said why */
} job;

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "wordcount: %s: %s\n", what, why);
    return EXIT_FAILURE;
}

/* An empty file is one empty piece, so that a worker finds out whether it can
 * be read. */
static size_t pieces_of(const job *j, const file *f)
{
    return f->bytes == 0 ? 1 : 1 + (f->bytes - 1) / j->piece_bytes;
}

static const file *file_of(const job *j, size_t piece)
{
    const file *f = j->files;

    for (; piece >= pieces_of(j, f); f++)
        piece -= pieces_of(j, f);
    return f;
}

static int measure(job *j, char **names, size_t n)
{
    uint64_t bytes = 0;

    j->files = calloc(n, sizeof(*j->files));
    if (j->files == NULL)
        return complain("cannot begin", strerror(ENOMEM));
    j->nfiles = n; /* what is not filled is NULL */
    for (size_t i = 0; i < n; i++) {
        file *f = &j->files[i];
        struct stat st;

        f->name = names[i];
        f->path = realpath(f->name, NULL);
        if (f->path == NULL || stat(f->path, &st) != 0)
            return complain(f->name, strerror(errno));
        if (!S_ISREG(st.st_mode))
            return complain(f->name, "not a regular file");
        f->bytes = (uint64_t)st.st_size;
        bytes += f->bytes;
    }
    if (j->piece_bytes != 0)
        return 0; /* --range */
    bytes /= (uint64_t)muster_size(j->m) * PIECES_EACH + 1;
    j->piece_bytes = bytes < MIN_PIECE_BYTES   ? MIN_PIECE_BYTES
                     : bytes > MAX_PIECE_BYTES ? MAX_PIECE_BYTES
                                               : bytes;
    return 0;
}

static int add_piece(job *j, const file *f, uint64_t begin)
{
    const uint64_t left = f->bytes - begin;
    const size_t length = strlen(f->path) + 1;
    request *ask = malloc(sizeof(*ask) + length);

    if (ask == NULL)
        return complain(f->name, strerror(ENOMEM));
    ask->begin = begin;
    ask->end = begin + (left < j->piece_bytes ? left : j->piece_bytes);
    ask->nstop = j->stop.nwords;
    memcpy(ask->path, f->path, length);
    j->pieces[j->npieces++] = (muster_item){ask, sizeof(*ask) + length};
    return 0;
}

static int cut_into_pieces(job *j)
{
    size_t n = 0;
    int rc = 0;

    for (size_t i = 0; i < j->nfiles; i++)
        n += pieces_of(j, &j->files[i]);
    j->pieces = calloc(n + 1, sizeof(*j->pieces));
    if (j->pieces == NULL)
        return complain("cannot begin", strerror(ENOMEM));
    for (size_t i = 0; i < j->nfiles; i++)
        for (size_t k = 0; rc == 0 && k < pieces_of(j, &j->files[i]); k++)
            rc = add_piece(j, &j->files[i], k * j->piece_bytes);
    return rc;
}

/* Read the stop words and give them to all workers. */
static int share_stop_words(job *j)
{
    FILE *in = fopen(j->stop_path, "re");
    muster_error err;
    int rc = in == NULL ? errno : 0;

    if (in != NULL) {
        rc = count_words(in, 0, UINT64_MAX, NULL, &j->stop);
        fclose(in);
    }
    if (rc != 0)
        return complain(j->stop_path, strerror(rc));
    if (muster_broadcast(j->m, NULL, "use_stop_words", j->stop.bytes,
                         j->stop.used, MUSTER_FOREVER, NULL, &err) != MUSTER_OK)
        return complain(j->stop_path, err.text);
    return 0;
}

/* A muster_sink_fn: the words of one piece, or why there are none. */
static int take_words(void *arg, size_t piece, const muster_result *result)
{
    job *j = arg;
    int rc = 0;

    if (result->code == MUSTER_OK)
        rc = table_merge(&j->total, result->data, result->len);
    if (rc == 0 && result->code == MUSTER_OK)
        return 0;
    j->failed = true;
    return complain(file_of(j, piece)->name,
                    rc != 0 ? strerror(rc) : result->text);
}

static int count_files(job *j)
{
    muster_map_options o = MUSTER_MAP_OPTIONS_INIT;
    muster_error err;

    o.items = j->pieces;
    o.nitems = j->npieces;
    o.sink = take_words;
    o.as_they_come = true;              /* a sum: the order does not matter */
    o.on_failure = MUSTER_FAIL_COLLECT; /* take_words says which file */
    o.lost_retries = MAX_LOSSES - 1;
    o.progress = muster_progress;
    o.arg = j;
    o.timeout_ms = MUSTER_FOREVER;
    if (muster_map(j->m, "count_piece", &o, NULL, &err) == MUSTER_OK)
        return 0;
    return j->failed ? EXIT_FAILURE : complain("cannot go on", err.text);
}

/* For qsort: what is more frequent comes first, then the alphabet decides. */
static int by_count(const void *a, const void *b)
{
    const record *x = *(const record *const *)a;
    const record *y = *(const record *const *)b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->letters, y->letters);
}

static int print_total(const job *j)
{
    const size_t n = j->total.nwords;
    const record **words = calloc(n + 1, sizeof(record *));
    bool good = true;

    if (words == NULL)
        return complain("cannot sort the words", strerror(ENOMEM));
    for (size_t i = 0, at = 0; i < n; i++) {
        words[i] = table_record(&j->total, at);
        at += record_bytes(words[i]->length);
    }
    qsort(words, n, sizeof(record *), by_count);
    for (size_t i = 0; good && i < n && i < j->top; i++)
        good = printf("%" PRIu64 " ", words[i]->count) > 0 &&
               puts(words[i]->letters) != EOF;
    free(words);
    if (!good || fflush(stdout) != 0)
        return complain("cannot write the result", strerror(errno));
    return 0;
}

static void job_fini(job *j)
{
    for (size_t i = 0; i < j->npieces; i++)
        free((void *)(uintptr_t)j->pieces[i].data);
    for (size_t i = 0; i < j->nfiles; i++)
        free(j->files[i].path);
    free(j->pieces);
    free(j->files);
    table_free(&j->stop);
    table_free(&j->total);
}

static int usage(FILE *to, int status)
{
    fputs("Usage: muster run -n N wordcount.so [OPTION]... FILE...\n"
          "Count the words of files that all workers can read.\n"
          "\n"
          "  --top K        print the K most frequent words (10)\n"
          "  --all          print all words\n"
          "  --stop FILE    leave out the words of this file\n"
          "  --range BYTES  cut the files in pieces of at most so many bytes\n"
          "                 (between 64 KiB and 8 MiB, by their total size)\n"
          "  --help         print this\n",
          to);
    return fflush(to) == 0 ? status : EXIT_FAILURE;
}

static bool read_number(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 &&
        *value > 0)
        return true;
    complain(text, "not a whole number above 0");
    return false;
}

/* Returns the exit status when there is nothing more to do, else -1. */
static int read_options(job *j, int argc, char **argv)
{
    static const struct option options[] = {
        {"top", required_argument, NULL, 't'},
        {"all", no_argument, NULL, 'a'},
        {"stop", required_argument, NULL, 's'},
        {"range", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    int c;

    optind = 0; /* `muster run` may have used getopt before us */
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h')
            return usage(stdout, EXIT_SUCCESS);
        if (c == 'a')
            j->top = UINT64_MAX;
        else if (c == 's')
            j->stop_path = optarg;
        else if (c == '?' ||
                 !read_number(optarg, c == 't' ? &j->top : &j->piece_bytes))
            return usage(stderr, BAD_USAGE);
    }
    return optind < argc ? -1 : usage(stderr, BAD_USAGE);
}

int muster_main(muster *m, int argc, char **argv)
{
    job j = {.m = m, .top = 10};
    int rc = read_options(&j, argc, argv);

    if (rc >= 0)
        return rc;
    rc = measure(&j, argv + optind, (size_t)(argc - optind));
    if (rc == 0 && j.stop_path != NULL)
        rc = share_stop_words(&j);
    if (rc == 0)
        rc = cut_into_pieces(&j);
    if (rc == 0)
        rc = count_files(&j);
    if (rc == 0)
        rc = print_total(&j);
    job_fini(&j);
    return rc;
}
