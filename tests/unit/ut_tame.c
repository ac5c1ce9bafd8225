/* ut_tame.c - text of others, made fit to be shown. */
#include "unit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/tame.h"

static void assert_tame(const char *from, const char *to)
{
    char text[128];

    snprintf(text, sizeof(text), "%s", from);
    mst_tame(text);
    assert_string_equal(text, to);
}

static void a_sentence_has_no_control_characters(void **state)
{
    muster_error err;

    (void)state;
    assert_tame("", "");
    assert_tame("a\nb\x1b[2Jc\x7f", "a b [2Jc ");
    assert_tame("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8c",
                "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8c");
    assert_tame("\xc2\x9b"
                "2J",
                "  2J"); /* CSI, of C1 */
    assert_tame("\x9b"
                "2J",
                "?2J");
    assert_tame("\xc0\x9b", "??");             /* not the shortest form */
    assert_tame("\xe0\x80\x8a|", "???|");      /* neither */
    assert_tame("\xed\xa0\x80|", "???|");      /* a surrogate */
    assert_tame("\xf4\x90\x80\x80|", "????|"); /* past the last */
    assert_tame("\xe2\x82", "??");             /* cut */
    assert_tame("\xff\xfe", "??");
    mst_fail(&err, MUSTER_EREMOTE, "%s", "x\x1b]0;title\x07\xff");
    assert_string_equal(err.text, "x ]0;title ?");
}

/* What comes out of a terminal, or of a file. */
static const char *printed(const char *line, size_t len, bool terminal)
{
    static char text[256];
    struct termios raw;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    FILE *to = NULL;
    ssize_t n;

    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    to = terminal ? fopen(ptsname(master), "we") : tmpfile();
    assert_non_null(to);
    if (terminal) {
        assert_int_equal(tcgetattr(fileno(to), &raw), 0);
        cfmakeraw(&raw);
        assert_int_equal(tcsetattr(fileno(to), TCSANOW, &raw), 0);
    }
    mst_tame_print(to, line, len);
    fputc('$', to);
    assert_int_equal(fflush(to), 0);
    n = terminal ? read(master, text, sizeof(text) - 1)
                 : pread(fileno(to), text, sizeof(text) - 1, 0);
    assert_true(n > 0);
    text[n] = '\0';
    fclose(to);
    close(master);
    return text;
}

static void a_terminal_gets_colours_and_nothing_that_moves_it(void **state)
{
    static const char evil[] =
        "a\033[31mred\033[2J\r\xc2\x9bH\xff\033]0;x\007\tz";

    (void)state;
    assert_string_equal(printed(evil, sizeof(evil) - 1, true),
                        "a\033[31mred^[[2J^M\xef\xbf\xbdH\xef\xbf\xbd^[]0;x^G"
                        "\tz\033[m$");
    assert_string_equal(printed("plain \xe2\x82\xac", 9, true),
                        "plain \xe2\x82\xac$");
    assert_string_equal(printed("cut \033[31", 8, true), "cut ^[[31$");
}

static void a_file_gets_every_byte(void **state)
{
    static const char evil[] = "a\033[2J\r\xff";

    (void)state;
    assert_string_equal(printed(evil, sizeof(evil) - 1, false),
                        "a\033[2J\r\xff$");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sentence_has_no_control_characters),
        cmocka_unit_test(a_terminal_gets_colours_and_nothing_that_moves_it),
        cmocka_unit_test(a_file_gets_every_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
