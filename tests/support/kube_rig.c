#include "kube_rig.h"

#include <arpa/inet.h>
#include <sys/socket.h>

void rig_new_http(rig *r)
{
    muster_error err = {0};

    mst_kube_http_destroy(&r->http);
    if (mst_kube_http_create(r->access, &r->log.log, &r->http, &err) !=
        MUSTER_OK)
        fail_msg("client: %s", err.text);
}

void rig_up(rig *r, const char *const *args, const char *server,
            const char *cluster, const char *user)
{
    *r = (rig){0};
    scripted_up(&r->server, args);
    scripted_log_init(&r->log);
    r->access = scripted_access(&r->server, server, cluster, user);
    rig_new_http(r);
}

void rig_down(rig *r)
{
    mst_kube_http_destroy(&r->http);
    mst_kube_access_close(&r->access);
    scripted_log_fini(&r->log);
    scripted_down(&r->server);
    assert_null(strstr(r->log.text, "t0ken"));
}

int rig_setup(void **state)
{
    rig *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    rig_up(r, NULL, NULL, NULL, NULL);
    *state = r;
    return 0;
}

int rig_teardown(void **state)
{
    rig *r = (rig *)*state;

    rig_down(r);
    free(r);
    return 0;
}

int rig_closed_port(rig *r)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char url[64];

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(at.sin_port));
    mst_kube_http_destroy(&r->http);
    mst_kube_access_close(&r->access);
    r->access = scripted_access(&r->server, url, NULL, NULL);
    rig_new_http(r);
    return fd;
}

mst_kube_request rig_request(const char *method, const char *path,
                             int64_t timeout_ms)
{
    return (mst_kube_request){
        .what = {.verb = strcmp(method, "POST") == 0 ? "create" : "get",
                 .resource = "pods",
                 .ns = "demo"},
        .method = method,
        .path = path,
        .until_ms = mst_until_ms(timeout_ms),
    };
}

void rig_nap(int64_t ms)
{
    const struct timespec time = mst_timespec(ms);

    nanosleep(&time, NULL);
}

void rig_begin(rig *r)
{
    r->began_ms = mst_now_ms();
}

void rig_end(rig *r)
{
    r->took_ms = mst_now_ms() - r->began_ms;
}

void rig_run(rig *r, mst_kube_request *request)
{
    bool well;

    rig_begin(r);
    well = mst_kube_http_run(r->http, request, 1);
    rig_end(r);
    assert_int_equal(well, request->rc == MUSTER_OK);
}

void rig_assert_words(const mst_kube_request *request, const char *words,
                      const char *file, int line)
{
    if (strstr(request->err.text, words) != NULL)
        return;
    print_error("no \"%s\" in: %s\n", words, request->err.text);
    _fail(file, line);
}

void rig_assert_outcome(const mst_kube_request *request, muster_err rc,
                        long status, int tries, const char *words,
                        const char *file, int line)
{
    if (request->rc != rc || (status >= 0 && request->status != status) ||
        (tries >= 0 && request->tries != tries) ||
        request->err.code != request->rc ||
        strstr(request->err.text, "t0ken") != NULL) {
        print_error("%s (%d), status %ld, %d tries, \"%s\"; wanted %s, status "
                    "%ld, %d tries\n",
                    muster_strerror(request->rc), request->err.code,
                    request->status, request->tries, request->err.text,
                    muster_strerror(rc), status, tries);
        _fail(file, line);
    }
    if (rc != MUSTER_OK)
        rig_assert_words(request, request->what.resource, file, line);
    if (words != NULL)
        rig_assert_words(request, words, file, line);
}

void rig_assert_took(const rig *r, int64_t least_ms, int64_t most_ms,
                     const char *file, int line)
{
    if (r->took_ms >= least_ms && r->took_ms <= most_ms * SCRIPTED_SLOW + 1000)
        return;
    print_error("it took %lld ms, wanted %lld to %lld\n", (long long)r->took_ms,
                (long long)least_ms, (long long)most_ms * SCRIPTED_SLOW + 1000);
    _fail(file, line);
}
