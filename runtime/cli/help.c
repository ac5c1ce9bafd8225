/* help.c - what `muster run --help` and `muster bench --help` print. */
#include <stdio.h>

#include "cli/options.h"

static const char run_help[] =
    "Usage: muster run [OPTION]... SCRIPT.so [ARG]...\n"
    "Start workers, ship SCRIPT.so to each, call its muster_main here, and "
    "end\n"
    "everything. The exit status is what muster_main returns.\n"
    "\n";
static const char run_only_help[] =
    "      --min M               go on with M when not all come up (default: "
    "N)\n"
    "      --output MODE         lines of workers: tag (\"From worker N:\"), "
    "plain,\n"
    "                            none, or dir=DIR: DIR/worker-N.log each\n"
    "                            (default: tag)\n"
    "      --timestamps          begin each such line with the time, in UTC\n"
    "      --events FILE         each change of a worker's state as a line of "
    "JSON;\n"
    "                            see muster-events(5)\n"
    "      --dry-run             print the Secret and the Pods as JSON; "
    "create\n"
    "                            nothing\n";

static const char bench_help[] =
    "Usage: muster bench [OPTION]...\n"
    "Start workers, measure what they can do, print a table, and end them: "
    "the time\n"
    "to launch, of a call, calls and map items a second, broadcast and gather "
    "by\n"
    "size. Takes some 25 seconds and the launch.\n"
    "\n";
static const char bench_only_help[] =
    "      --quick               a few seconds; numbers are rough\n"
    "      --json                print JSON, see muster-bench(1); no table\n"
    "      --plot FILE           write an SVG: size against time and "
    "bandwidth\n";

static const char common_help[] =
    "  -n, --workers N           how many (default: processors of this "
    "machine)\n"
    "      --launcher WHICH      auto, local, k8s or join (default: auto)\n"
    "      --threads K           handlers at a time on each worker (default: "
    "1)\n"
    "      --replace[=BUDGET]    start a successor for a worker that is lost "
    "or\n"
    "                            drains, BUDGET times in all (default: 2 N)\n"
    "      --grace S             seconds for handlers to return when their\n"
    "                            worker drains or the run ends (default: 1)\n"
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
    "      --bulk HOW            payloads of 64 KiB and more: sealed, each "
    "piece\n"
    "                            encrypted once for all who get it, by a "
    "second\n"
    "                            TCP port (P + 1, or any); plain, by that "
    "port,\n"
    "                            NOT ENCRYPTED; off, as small ones; auto, "
    "sealed\n"
    "                            but for children of this machine, which have\n"
    "                            socket pairs (default: auto)\n"
    "      --plaintext           --bulk plain\n"
    "      --relay HOW           payloads of 1 MiB and more for several "
    "workers\n"
    "                            that are not on this machine: auto, they "
    "pass\n"
    "                            them on to each other; off, each gets them "
    "from\n"
    "                            here; always, on this machine, too (default:\n"
    "                            auto)\n"
    "      --relay-port P        workers listen there for that (default: any)\n"
    "      --join-dir DIR        for join files (default: ./muster-SESSION)\n"
    "      --log-level L         error, warn, info or debug (default: warn)\n"
    "  -h, --help                show this\n"
    "\n"
    "Workers as Pods (--launcher k8s, or auto in a Pod):\n"
    "      --image IMAGE         (default: the one this Pod runs)\n"
    "      --pull-policy POLICY  Always, IfNotPresent or Never\n"
    "      --namespace NS        (default: the kubeconfig context's, else "
    "this\n"
    "                            Pod's, else default)\n"
    "      --cpu N               of each, requested and limited (default: 1)\n"
    "      --memory M            the same (default: 4Gi)\n"
    "      --worker-prefix NAME  begin Pod names so (default: this Pod's "
    "name,\n"
    "                            or the host's, and -worker)\n"
    "      --pod-template FILE   YAML or JSON, merged over our Pod\n"
    "      --keep WHICH          Pods that stay when they have ended: failed,\n"
    "                            all or none (default: none)\n"
    "      --deadline S          seconds that each Pod may run at most\n"
    "      --cookie-via WAY      secret, or env: where no Secret may be made;\n"
    "                            who may read the Pod then sees the cookie\n"
    "      --kubeconfig FILE     as for kubectl\n"
    "      --context NAME        of the kubeconfig\n"
    "\n"
    "Each option that has a value can be given as an environment variable, "
    "too:\n"
    "MUSTER_IMAGE, MUSTER_PENDING_TIMEOUT and so on. The command line wins.\n"
    "\n";

static const char run_end_help[] =
    "Exit status: muster_main's; or 64 usage, 66 SCRIPT.so cannot be loaded,\n"
    "69 launch failed, 73 the --events file cannot be written, 128+N ended by "
    "signal N.\n"
    "\n"
    "^C (SIGINT) cancels the work, so that muster_main can end; a second one,\n"
    "5 s, SIGTERM or SIGHUP end everything. SIGUSR1 lists the workers.\n";
static const char bench_end_help[] =
    "Exit status: 0; 64 usage, 66 the module bench.so cannot be loaded, 69 "
    "launch\n"
    "failed, 70 a worker was lost or a call failed, 73 FILE cannot be "
    "written,\n"
    "128+N ended by signal N.\n";

int mst_cli_help(mst_verb verb)
{
    const bool run = verb == MST_VERB_RUN;

    printf("%s%s%s%s", run ? run_help : bench_help,
           run ? run_only_help : bench_only_help, common_help,
           run ? run_end_help : bench_end_help);
    return fflush(stdout) != 0;
}
