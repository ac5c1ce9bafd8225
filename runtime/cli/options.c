#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const char *verb_of(const mst_run_options *o)
{
    return o->verb == MST_VERB_RUN ? "run" : "bench";
}

static int usage(const mst_run_options *o, const char *format, const char *what)
{
    fprintf(stderr, "muster %s: ", verb_of(o));
    fprintf(stderr, format, what);
    fprintf(stderr, "; see muster %s --help\n", verb_of(o));
    return MST_CLI_USAGE;
}

/* ------------------------------------------------------------- options -- */

/* What has no letter of its own. */
enum {
    OPTION_IMAGE = 256,
    OPTION_PULL_POLICY,
    OPTION_NAMESPACE,
    OPTION_CPU,
    OPTION_MEMORY,
    OPTION_PREFIX,
    OPTION_TEMPLATE,
    OPTION_KEEP,
    OPTION_DEADLINE,
    OPTION_COOKIE_VIA,
    OPTION_KUBECONFIG,
    OPTION_CONTEXT,
    OPTION_DRY_RUN,
    OPTION_QUICK,
    OPTION_JSON,
    OPTION_PLOT,
    OPTION_BULK,
    OPTION_PLAINTEXT,
    OPTION_RELAY,
    OPTION_RELAY_PORT
};

/* Has the verb this option? */
static bool has_option(mst_verb verb, int c)
{
    if (c == OPTION_QUICK || c == OPTION_JSON || c == OPTION_PLOT)
        return verb == MST_VERB_BENCH;
    if (c == 'm' || c == 'o' || c == 'T' || c == 'E' || c == OPTION_DRY_RUN)
        return verb == MST_VERB_RUN;
    return true;
}

static bool to_number(const char *text, unsigned long most, unsigned long *out)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *out = strtoul(text, &end, 10);
    return errno == 0 && *end == '\0' && *out <= most;
}

static bool is_number(const char *text)
{
    return text != NULL && text[0] != '\0' &&
           text[strspn(text, "0123456789")] == '\0';
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

static bool set_policy(muster_kube_options *k, const char *value)
{
    static const char *const policies[] = {"Always", "IfNotPresent", "Never",
                                           NULL};
    int choice;

    k->pull_policy = value;
    return to_choice(value, policies, &choice);
}

static bool set_keep(muster_kube_options *k, const char *value)
{
    static const char *const which[] = {"none", "failed", "all", NULL};
    int choice = 0;
    const bool ok = to_choice(value, which, &choice);

    k->keep = (muster_keep)choice;
    return ok;
}

static bool set_cookie_via(muster_kube_options *k, const char *value)
{
    static const char *const ways[] = {"secret", "env", NULL};
    int choice = 0;
    const bool ok = to_choice(value, ways, &choice);

    k->cookie_in_env = choice == 1;
    return ok;
}

static bool set_deadline(muster_kube_options *k, const char *value)
{
    int64_t ms = 0;
    const bool ok = to_ms(value, &ms) && ms > 0;

    k->deadline_s = (ms + 999) / 1000;
    return ok;
}

static bool set_kube_option(mst_run_options *o, int c, const char *value)
{
    muster_kube_options *k = &o->kube;
    const char **text = c == OPTION_IMAGE        ? &k->image
                        : c == OPTION_NAMESPACE  ? &k->namespace_
                        : c == OPTION_CPU        ? &k->cpu
                        : c == OPTION_MEMORY     ? &k->memory
                        : c == OPTION_PREFIX     ? &k->worker_prefix
                        : c == OPTION_TEMPLATE   ? &k->pod_template
                        : c == OPTION_KUBECONFIG ? &k->kubeconfig
                        : c == OPTION_CONTEXT    ? &k->context
                                                 : NULL;

    if (text != NULL) {
        *text = value;
        return value[0] != '\0';
    }
    switch (c) {
    case OPTION_PULL_POLICY:
        return set_policy(k, value);
    case OPTION_KEEP:
        return set_keep(k, value);
    case OPTION_DEADLINE:
        return set_deadline(k, value);
    case OPTION_COOKIE_VIA:
        return set_cookie_via(k, value);
    case OPTION_DRY_RUN:
        o->dry_run = true;
        return true;
    default:
        return false;
    }
}

static bool set_bulk_option(mst_run_options *o, int c, const char *value)
{
    static const char *const ways[] = {"auto", "sealed", "plain", "off", NULL};
    int choice = 0;

    if (c == OPTION_PLAINTEXT)
        value = "plain";
    o->open.bulk = value;
    return to_choice(value, ways, &choice);
}

static bool set_relay_option(mst_run_options *o, int c, const char *value)
{
    static const char *const ways[] = {"auto", "off", "always", NULL};
    unsigned long port = 0;
    int choice = 0;

    if (c == OPTION_RELAY) {
        o->open.relay = value;
        return to_choice(value, ways, &choice);
    }
    if (!to_number(value, 65535, &port))
        return false;
    o->open.relay_port = (uint16_t)port;
    return true;
}

static bool set_bench_option(mst_run_options *o, int c, const char *value)
{
    if (c == OPTION_QUICK)
        o->quick = true;
    else if (c == OPTION_JSON)
        o->json = true;
    else if (c == OPTION_PLOT)
        o->plot = value;
    else if (c == OPTION_BULK || c == OPTION_PLAINTEXT)
        return set_bulk_option(o, c, value);
    else if (c == OPTION_RELAY || c == OPTION_RELAY_PORT)
        return set_relay_option(o, c, value);
    else
        return set_kube_option(o, c, value);
    return c != OPTION_PLOT || value[0] != '\0';
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
    case 'r':
        o->replaces = value == NULL;
        o->open.replace = 0;
        return value == NULL || to_u32(value, &o->open.replace);
    case 'g':
        return to_ms(value, &o->open.grace_ms);
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
    case 'E':
        o->events = value;
        return value[0] != '\0';
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
        return set_bench_option(o, c, value);
    }
}

/* MUSTER_PENDING_TIMEOUT for --pending-timeout. */
static void variable_of(const char *option, char *name, size_t bytes)
{
    size_t n = (size_t)snprintf(name, bytes, "MUSTER_%s", option);

    for (size_t i = 7; i < n && i < bytes; i++)
        name[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
}

/* What the environment says. -1: go on; else the exit status. */
static int from_environment(const struct option *longs, mst_run_options *o)
{
    char name[64], what[160];
    const char *value;

    for (; longs->name != NULL; longs++) {
        variable_of(longs->name, name, sizeof(name));
        value = longs->has_arg != no_argument ? getenv(name) : NULL;
        if (value == NULL || value[0] == '\0' ||
            !has_option(o->verb, longs->val))
            continue;
        if (!set_option(o, longs->val, value)) {
            snprintf(what, sizeof(what), "%s cannot be \"%.60s\"", name, value);
            return usage(o, "%s", what);
        }
    }
    return -1;
}

uint32_t mst_cli_processors(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
        return (uint32_t)CPU_COUNT(&set);
    return 1;
}

int mst_cli_options(int argc, char **argv, mst_run_options *o)
{
    static const struct option longs[] = {
        {"workers", required_argument, NULL, 'n'},
        {"min", required_argument, NULL, 'm'},
        {"launcher", required_argument, NULL, 'l'},
        {"threads", required_argument, NULL, 't'},
        {"replace", optional_argument, NULL, 'r'},
        {"grace", required_argument, NULL, 'g'},
        {"pending-timeout", required_argument, NULL, 'p'},
        {"heartbeat-timeout", required_argument, NULL, 'b'},
        {"listen", optional_argument, NULL, 'a'},
        {"port", required_argument, NULL, 'P'},
        {"advertise", required_argument, NULL, 'A'},
        {"bulk", required_argument, NULL, OPTION_BULK},
        {"plaintext", no_argument, NULL, OPTION_PLAINTEXT},
        {"relay", required_argument, NULL, OPTION_RELAY},
        {"relay-port", required_argument, NULL, OPTION_RELAY_PORT},
        {"join-dir", required_argument, NULL, 'J'},
        {"output", required_argument, NULL, 'o'},
        {"timestamps", no_argument, NULL, 'T'},
        {"events", required_argument, NULL, 'E'},
        {"log-level", required_argument, NULL, 'L'},
        {"image", required_argument, NULL, OPTION_IMAGE},
        {"pull-policy", required_argument, NULL, OPTION_PULL_POLICY},
        {"namespace", required_argument, NULL, OPTION_NAMESPACE},
        {"cpu", required_argument, NULL, OPTION_CPU},
        {"memory", required_argument, NULL, OPTION_MEMORY},
        {"worker-prefix", required_argument, NULL, OPTION_PREFIX},
        {"pod-template", required_argument, NULL, OPTION_TEMPLATE},
        {"keep", required_argument, NULL, OPTION_KEEP},
        {"deadline", required_argument, NULL, OPTION_DEADLINE},
        {"cookie-via", required_argument, NULL, OPTION_COOKIE_VIA},
        {"kubeconfig", required_argument, NULL, OPTION_KUBECONFIG},
        {"context", required_argument, NULL, OPTION_CONTEXT},
        {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
        {"quick", no_argument, NULL, OPTION_QUICK},
        {"json", no_argument, NULL, OPTION_JSON},
        {"plot", required_argument, NULL, OPTION_PLOT},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0}};
    char what[128];
    int c, at;

    c = from_environment(longs, o);
    if (c >= 0)
        return c;
    opterr = 0;
    while (at = -1, (c = getopt_long(argc, argv, "+:n:h", longs, &at)) != -1) {
        if (c == 'h')
            return mst_cli_help(o->verb);
        if (c == 'V')
            return printf("muster %s\n", muster_version()) < 0 ||
                   fflush(stdout) != 0;
        if (c == 'r' && optarg == NULL && is_number(argv[optind]))
            optarg = argv[optind++];
        if (c == ':')
            return usage(o, "%s wants a value", argv[optind - 1]);
        if (c == '?')
            return usage(o, "there is no option %s", argv[optind - 1]);
        if (!has_option(o->verb, c))
            return usage(o, "there is no option --%s", longs[at].name);
        if (!set_option(o, c, optarg)) {
            snprintf(what, sizeof(what), "%s%s cannot be \"%.60s\"",
                     at < 0 ? "-" : "--", at < 0 ? "n" : longs[at].name,
                     optarg);
            return usage(o, "%s", what);
        }
    }
    if (optind < argc && o->verb == MST_VERB_BENCH)
        return usage(o, "%s is not expected", argv[optind]);
    if (optind == argc && o->verb == MST_VERB_RUN && !o->dry_run)
        return usage(o, "%s", "which script? give the path of a SCRIPT.so");
    o->script = argv[optind];
    o->nargs = argc - optind;
    o->args = argv + optind;
    if (o->n == 0)
        return usage(o, "%s", "-n must be at least 1");
    if (o->replaces)
        o->open.replace = o->n > UINT32_MAX / 2 ? UINT32_MAX : 2 * o->n;
    if (o->min > o->n)
        return usage(o, "%s", "--min must not be more than -n");
    return -1;
}
