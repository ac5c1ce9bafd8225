/* ut_segment.c - shared memory: who may use it, and when it goes. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "bulk/segment.h"

#define MIB ((size_t)1 << 20)

static unsigned ngone, last_gone;

static void gone(void *arg, unsigned i)
{
    (void)arg;
    ngone++;
    last_gone = i;
}

static mst_segments *make(void)
{
    mst_segments *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    ngone = 0;
    mst_segments_init(s, gone, NULL);
    return s;
}

static void end(mst_segments *s)
{
    mst_segments_fini(s);
    for (unsigned i = 0; i < MST_SEGMENTS; i++)
        assert_int_equal(s->places[i].fd, -1);
    assert_int_equal(s->bytes, 0);
    free(s);
}

static unsigned char *bytes_of(size_t len, unsigned char fill)
{
    unsigned char *data = malloc(len);

    assert_non_null(data);
    memset(data, fill, len);
    return data;
}

/* As a child gets it. */
static void tell(mst_views *v, const mst_segments *s, char what, unsigned i)
{
    uint8_t words[MST_SEGMENT_WORDS];

    mst_segment_words(words, what, i, s->places[i].bytes);
    mst_views_told(v, words, sizeof(words),
                   what == MST_SEGMENT_MAP
                       ? fcntl(s->places[i].fd, F_DUPFD_CLOEXEC, 0)
                       : -1);
}

static void a_payload_is_copied_once_and_its_place_used_again(void **state)
{
    mst_segments *s = make();
    unsigned char *a = bytes_of(3 * MIB, 'a'), *b = bytes_of(2 * MIB, 'b');
    const int place = mst_segments_use(s, 1, a, 3 * MIB);

    (void)state;
    assert_true(place >= 0);
    assert_int_equal(mst_segments_use(s, 1, a, 3 * MIB), place);
    assert_int_equal(s->places[place].uses, 2);
    assert_int_not_equal(mst_segments_use(s, 2, b, 2 * MIB), place);
    mst_segments_done(s, (unsigned)place, false);
    mst_segments_done(s, (unsigned)place, false);
    assert_int_equal(mst_segments_use(s, 3, b, 2 * MIB), place);
    assert_memory_equal(s->places[place].at, b, 2 * MIB);
    assert_int_equal(((char *)s->places[place].at)[2 * MIB], 0);
    assert_int_equal(ngone, 0);
    end(s);
    assert_int_equal(ngone, 2);
    free(a);
    free(b);
}

static void a_child_reads_it_and_cannot_write(void **state)
{
    mst_segments *s = make();
    mst_views *v = calloc(1, sizeof(*v));
    unsigned char *a = bytes_of(2 * MIB, 'a');
    const unsigned i = (unsigned)mst_segments_use(s, 1, a, 2 * MIB);
    const int fd = s->places[i].fd;
    const uint8_t nonsense[] = {MST_SEGMENT_MAP, MST_PLACES, 0};

    (void)state;
    assert_non_null(v);
    assert_null(mst_views_get(v, i, 1));
    tell(v, s, MST_SEGMENT_MAP, i);
    assert_memory_equal(mst_views_get(v, i, 2 * MIB), a, 2 * MIB);
    mst_views_put(v, i);
    assert_null(mst_views_get(v, i, s->places[i].bytes));
    assert_null(mst_views_get(v, MST_PLACES, 1));
    assert_ptr_equal(mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
                     MAP_FAILED);
    assert_int_not_equal(ftruncate(fd, 0), 0);
    assert_true(write(fd, "x", 1) < 0);
    mst_views_told(v, nonsense, sizeof(nonsense), -1);
    tell(v, s, MST_SEGMENT_FORGET, i);
    assert_null(mst_views_get(v, i, 1));
    mst_views_fini(v);
    end(s);
    free(v);
    free(a);
}

static void there_is_no_more_than_so_much(void **state)
{
    const size_t len = 60 * MIB;
    mst_segments *s = make();
    unsigned char *data = bytes_of(len, 1);
    int places[5];

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        places[i] = mst_segments_use(s, 10 + i, data, len);
        assert_true(places[i] >= 0);
        assert_true(s->bytes <= MST_SEGMENT_BYTES);
    }
    assert_int_equal(mst_segments_use(s, 20, data, len), -1);
    mst_segments_done(s, (unsigned)places[2], false);
    assert_int_equal(mst_segments_use(s, 20, data, len), places[2]);
    mst_segments_done(s, (unsigned)places[0], false);
    /* a small one would be a waste of it, and there is no room beside it */
    assert_true(mst_segments_use(s, 30, data, 6 * MIB) >= 0);
    assert_int_equal(ngone, 0);
    assert_true(mst_segments_use(s, 31, data, 8 * MIB) >= 0);
    assert_int_equal(ngone, 1);
    assert_int_equal((int)last_gone, places[0]);
    end(s);
    free(data);
}

static void it_goes_when_nobody_wants_it(void **state)
{
    mst_segments *s = make();
    unsigned char *data = bytes_of(MIB, 1);
    const unsigned i = (unsigned)mst_segments_use(s, 1, data, MIB);

    (void)state;
    mst_segments_tick(s, mst_now_ms() + 2 * MST_SEGMENT_MS);
    assert_int_equal(ngone, 0);
    mst_segments_done(s, i, false);
    mst_segments_tick(s, mst_now_ms());
    assert_int_equal(ngone, 0);
    mst_segments_tick(s, mst_now_ms() + MST_SEGMENT_MS);
    assert_int_equal(ngone, 1);
    end(s);
    free(data);
}

static void a_tainted_one_is_not_used_again(void **state)
{
    mst_segments *s = make();
    unsigned char *data = bytes_of(MIB, 1);
    const unsigned i = (unsigned)mst_segments_use(s, 1, data, MIB);

    (void)state;
    assert_int_equal(mst_segments_use(s, 1, data, MIB), i);
    mst_segments_done(s, i, true);
    assert_int_not_equal(mst_segments_use(s, 1, data, MIB), i);
    assert_int_equal(ngone, 0); /* the other one still reads */
    mst_segments_done(s, i, false);
    assert_int_equal(ngone, 1);
    end(s);
    free(data);
}

static void without_memory_there_is_none(void **state)
{
    mst_segments *s = make();
    unsigned char *data = bytes_of(MIB, 1);

    (void)state;
    mst_alloc_fail_after(1);
    assert_int_equal(mst_segments_use(s, 1, data, MIB), -1);
    mst_alloc_fail_after(0);
    end(s);
    free(data);
}

/* As a child gets a file of this payload. */
static void tell_alone(mst_views *v, unsigned place, size_t bytes, char fill)
{
    uint8_t words[MST_SEGMENT_WORDS];
    const int fd = mst_segment_file(bytes);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    assert_int_equal(pwrite(fd, &fill, 1, 0), 1);
    mst_segment_words(words, MST_SEGMENT_MAP, place, bytes);
    mst_views_told(v, words, sizeof(words), fd);
}

static void what_is_taken_stays_when_its_place_is_used_again(void **state)
{
    mst_views *v = calloc(1, sizeof(*v));
    const unsigned place = MST_PLACES - 1;
    size_t bytes = 0;
    char *at;

    (void)state;
    assert_non_null(v);
    tell_alone(v, place, MIB, 'a');
    assert_non_null(mst_views_get(v, place, MIB - 1));
    at = mst_views_take(v, place, &bytes);
    assert_non_null(at);
    assert_int_equal(bytes, MIB);
    assert_null(mst_views_get(v, place, 1));
    tell_alone(v, place, 2 * MIB, 'b');
    assert_int_equal(at[0], 'a');
    assert_int_equal(*(const char *)mst_views_get(v, place, MIB), 'b');
    mst_views_put(v, place); /* nobody else reads it: it goes */
    assert_null(mst_views_get(v, place, 1));
    assert_int_equal(munmap(at, bytes), 0);
    /* a segment is never taken */
    tell_alone(v, 0, MIB, 'c');
    assert_non_null(mst_views_get(v, 0, 1));
    assert_null(mst_views_take(v, 0, &bytes));
    mst_views_put(v, 0);
    assert_non_null(mst_views_get(v, 0, 1));
    mst_views_put(v, 0);
    mst_views_fini(v);
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payload_is_copied_once_and_its_place_used_again),
        cmocka_unit_test(a_child_reads_it_and_cannot_write),
        cmocka_unit_test(there_is_no_more_than_so_much),
        cmocka_unit_test(it_goes_when_nobody_wants_it),
        cmocka_unit_test(a_tainted_one_is_not_used_again),
        cmocka_unit_test(without_memory_there_is_none),
        cmocka_unit_test(what_is_taken_stays_when_its_place_is_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
