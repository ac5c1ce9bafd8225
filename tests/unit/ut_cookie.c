/* ut_cookie.c - the cookie's text. */
#include "unit.h"

#include <ctype.h>
#include <sodium.h>

#include "link/cookie.h"

static mst_cookie cookie;
static char text[MST_COOKIE_BYTES];
static size_t len;

static int set_up(void **state)
{
    (void)state;
    memset(&cookie, 0, sizeof(cookie));
    strcpy(cookie.session, "00112233445566778899aabbccddeeff");
    cookie.rank = 3;
    cookie.incarnation = 2;
    cookie.naddresses = 2;
    strcpy(cookie.addresses[0], "tcp://127.0.0.1:41235");
    strcpy(cookie.addresses[1], "tcp://[::1]:41235");
    memset(cookie.manager_key, 0xab, MST_KEY_BYTES);
    memset(cookie.secret_key, 0xcd, MST_KEY_BYTES);
    len = mst_cookie_print(&cookie, text, sizeof(text));
    return len > 0 ? 0 : -1;
}

static void it_comes_back_as_it_was(void **state)
{
    mst_cookie back;
    muster_error err;

    (void)state;
    assert_int_equal(mst_cookie_parse(text, len, &back, &err), MUSTER_OK);
    assert_memory_equal(&back, &cookie, sizeof(back));
}

static void a_cut_cookie_is_refused(void **state)
{
    mst_cookie back;
    muster_error err;

    (void)state;
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(mst_cookie_parse(text, cut, &back, &err),
                         MUSTER_EPROTO);
        assert_null(strstr(err.text, "cdcd"));
    }
}

/* A changed byte is refused, or it is another cookie that means what it says.
 */
static void no_change_goes_unnoticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < len; i++)
        for (int c = 0; c < 256; c += 7) {
            char changed[MST_COOKIE_BYTES] = "", again[MST_COOKIE_BYTES] = "";
            mst_cookie back;
            muster_error err;

            memcpy(changed, text, len);
            changed[i] = (char)c;
            if (mst_cookie_parse(changed, len, &back, &err) != MUSTER_OK)
                continue;
            assert_true(mst_cookie_print(&back, again, sizeof(again)) > 0);
            /* upper case digits come back as lower case ones */
            for (size_t k = 0; k < len; k++) {
                changed[k] = (char)tolower((unsigned char)changed[k]);
                again[k] = (char)tolower((unsigned char)again[k]);
            }
            assert_memory_equal(again, changed, len);
        }
}

static void refuse(const char *from, const char *to)
{
    char changed[2 * MST_COOKIE_BYTES];
    const char *at = strstr(text, from);
    mst_cookie back;
    muster_error err;

    assert_non_null(at);
    snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, to,
             at + strlen(from));
    assert_int_equal(mst_cookie_parse(changed, strlen(changed), &back, &err),
                     MUSTER_EPROTO);
    assert_non_null(strstr(err.text, "line"));
}

static void impossible_values_are_refused(void **state)
{
    (void)state;
    refuse("muster-cookie 1", "muster-cookie 2");
    refuse("rank 3", "rank 0");
    refuse("rank 3", "rank -3");
    refuse("rank 3", "rank 03x");
    refuse("rank 3", "rank 99999999999");
    refuse("rank 3\n", "rank 3\nrank 3\n");
    refuse("incarnation 2", "incarnation 0");
    refuse("session 0", "session g");
    refuse("session 0", "session ");
    refuse("tcp://127", "ipc://127");
    refuse("manager tcp://127.0.0.1:41235\nmanager tcp://[::1]:41235\n", "");
    refuse("manager tcp://127.0.0.1:41235\n",
           "manager tcp://a:1\nmanager tcp://a:1\nmanager tcp://a:1\n"
           "manager tcp://a:1\n");
    refuse("manager-key ab", "manager-key ");
    refuse("end\n", "end\nmore\n");
    refuse("end\n", "end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_comes_back_as_it_was, set_up),
        cmocka_unit_test_setup(a_cut_cookie_is_refused, set_up),
        cmocka_unit_test_setup(no_change_goes_unnoticed, set_up),
        cmocka_unit_test_setup(impossible_values_are_refused, set_up),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
