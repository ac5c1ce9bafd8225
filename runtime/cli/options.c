#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const char help[] =
    "Usage: muster run [OPTION]... SCRIPT.so [ARG]...\n"
    "Start workers, ship SCRIPT.so to each, call its muster_main here, and "
    "end\n"
    "everything. The exit status is what muster_main returns.\n"
    "\n"
    "  -n, --workers N           how many (default: processors of this "
    "machine)\n"
    "      --min M               go on with M when not all come up (default: "
    "N)\n"
    "      --launcher WHICH      auto, local, k8s or join (default: auto)\n"
    "      --threads K           handlers at a time on each worker (default: "
    "1)\n"
    "      --pending-timeout S   seconds for workers to come up (default: "
    "180)\n"
    "      --heartbeat-timeout S seconds of silence that count as death;\n"
    "                            0 = never, else at least 0.2 (default: 30)\n"
    "      --listen[=ADDRESS]    --launcher join, unless said otherwise: "
    "write a\n"
    "                            join file for each worker and wait until "
    "they are\n"
    "                            started by hand. Bind ADDRESS (default:\n"
    "                            127.0.0.1; 0.0.0.0 or :: is every one)\n"
    "      --port P              bind this port (default: any free one)\n"
    "      --advertise ADDRESS   where workers connect to (default: what is "
    "bound)\n"
    "      --join-dir DIR        for join files (default: ./muster-SESSION)\n"
    "      --output MODE         lines of workers: tag (\"From worker N:\"), "
    "plain,\n"
    "                            none, or dir=DIR: DIR/worker-N.log each\n"
    "                            (default: tag)\n"
    "      --timestamps          begin each such line with the time, in UTC\n"
    "      --log-level L         error, warn, info or debug (default: warn)\n"
    "  -h, --help                show this\n"
    "\n"
    "Exit status: muster_main's; or 64 usage, 66 SCRIPT.so cannot be loaded,\n"
    "69 launch failed, 128+N ended by signal N.\n"
    "\n"
    "^C (SIGINT) cancels the work, so that muster_main can end; a second one,\n"
    "5 s, SIGTERM or SIGHUP end everything. SIGUSR1 lists the workers.\n";

static int usage(const char *format, const char *what)
{
    fprintf(stderr, "muster run: ");
    fprintf(stderr, format, what);
    fprintf(stderr, "; see muster run --help\n");
    return MST_CLI_USAGE;
}

/* ------------------------------------------------------------- options -- */

static bool to_number(const char *text, unsigned long most, unsigned long *out)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *out = strtoul(text, &end, 10);
    return errno == 0 && *end == '\0' && *out <= most;
}

static bool to_u32(const char *text, uint32_t *out)
{
    unsigned long number = 0;
    const bool ok = to_number(text, UINT32_MAX, &number);

    *out = (uint32_t)number;
    return ok;
}

static bool to_ms(const char *text, int64_t *out)
{
    char *end;
    const double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !(seconds >= 0) || seconds > 1e9)
        return false;
    *out = (int64_t)ceil(seconds * 1000);
    return true;
}

static bool to_choice(const char *text, const char *const *names, int *out)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return true;
        }
    return false;
}

static bool to_output(const char *text, mst_run_options *o)
{
    static const char *const modes[] = {"tag", "plain", "none", NULL};
    int choice;

    if (strncmp(text, "dir=", 4) == 0 && text[4] != '\0') {
        o->output = MST_OUTPUT_DIR;
        o->output_dir = text + 4;
        return true;
    }
    if (!to_choice(text, modes, &choice))
        return false;
    o->output = (mst_output_mode)choice;
    return true;
}

static bool set_option(mst_run_options *o, int c, const char *value)
{
    static const char *const launchers[] = {"auto", "local", "k8s", "join",
                                            NULL};
    static const char *const levels[] = {"error", "warn", "info", "debug",
                                         NULL};
    unsigned long port;
    int choice;

    switch (c) {
    case 'n':
        return to_u32(value, &o->n);
    case 'm':
        return to_u32(value, &o->min);
    case 't':
        return to_u32(value, &o->open.threads);
    case 'p':
        return to_ms(value, &o->open.pending_timeout_ms) &&
               o->open.pending_timeout_ms > 0;
    case 'b':
        return to_ms(value, &o->open.heartbeat_timeout_ms) &&
               (o->open.heartbeat_timeout_ms == 0 ||
                o->open.heartbeat_timeout_ms >= 200);
    case 'a':
        o->open.listen = value;
        if (o->open.launcher == MUSTER_LAUNCHER_AUTO)
            o->open.launcher = MUSTER_LAUNCHER_JOIN;
        return true;
    case 'A':
        o->open.advertise = value;
        return true;
    case 'J':
        o->open.join_dir = value;
        return true;
    case 'o':
        return to_output(value, o);
    case 'T':
        o->timestamps = true;
        return true;
    case 'P':
        if (!to_number(value, 65535, &port))
            return false;
        o->open.port = (uint16_t)port;
        return true;
    case 'l':
        if (!to_choice(value, launchers, &choice))
            return false;
        o->open.launcher = (muster_launcher)choice;
        return true;
    case 'L':
        if (!to_choice(value, levels, &choice))
            return false;
        o->open.log_level = (muster_level)choice;
        return true;
    default:
        return false;
    }
}

int mst_cli_options(int argc, char **argv, mst_run_options *o)
{
    static const struct option longs[] = {
        {"workers", required_argument, NULL, 'n'},
        {"min", required_argument, NULL, 'm'},
        {"launcher", required_argument, NULL, 'l'},
        {"threads", required_argument, NULL, 't'},
        {"pending-timeout", required_argument, NULL, 'p'},
        {"heartbeat-timeout", required_argument, NULL, 'b'},
        {"listen", optional_argument, NULL, 'a'},
        {"port", required_argument, NULL, 'P'},
        {"advertise", required_argument, NULL, 'A'},
        {"join-dir", required_argument, NULL, 'J'},
        {"output", required_argument, NULL, 'o'},
        {"timestamps", no_argument, NULL, 'T'},
        {"log-level", required_argument, NULL, 'L'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0}};
    char what[128];
    int c, at;

    opterr = 0;
    while (at = -1, (c = getopt_long(argc, argv, "+:n:h", longs, &at)) != -1) {
        if (c == 'h')
            return fputs(help, stdout) < 0 || fflush(stdout) != 0;
        if (c == 'V')
            return printf("muster %s\n", muster_version()) < 0 ||
                   fflush(stdout) != 0;
        if (c == ':')
            return usage("%s wants a value", argv[optind - 1]);
        if (c == '?')
            return usage("there is no option %s", argv[optind - 1]);
        if (!set_option(o, c, optarg)) {
            snprintf(what, sizeof(what), "%s%s cannot be \"%.60s\"",
                     at < 0 ? "-" : "--", at < 0 ? "n" : longs[at].name,
                     optarg);
            return usage("%s", what);
        }
    }
    if (optind == argc)
        return usage("%s", "which script? give the path of a SCRIPT.so");
    o->script = argv[optind];
    o->nargs = argc - optind;
    o->args = argv + optind;
    if (o->n == 0)
        return usage("%s", "-n must be at least 1");
    if (o->min > o->n)
        return usage("%s", "--min must not be more than -n");
    return -1;
}
