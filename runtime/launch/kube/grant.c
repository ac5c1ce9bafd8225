#include "launch/kube/grant.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fail.h"
#include "launch/kube/json.h"
#include "launch/kube/secret.h"

void mst_grant_fini(mst_grant *grant)
{
    if (grant->guarded) {
        mst_drop_guarded(&grant->token);
        mst_drop_guarded(&grant->key);
    }
    mst_drop_secret(&grant->token);
    mst_drop_secret(&grant->cert);
    mst_drop_secret(&grant->key);
    *grant = (mst_grant){0};
}

/* Exactly `n` digits at *text, which moves on. */
static bool take_number(const char **text, int n, int64_t least, int64_t most,
                        int64_t *value)
{
    *value = 0;
    for (int i = 0; i < n; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *value = *value * 10 + (**text - '0');
    }
    return *value >= least && *value <= most;
}

static bool take_one_of(const char **text, const char *set)
{
    if (**text == '\0' || strchr(set, **text) == NULL)
        return false;
    (*text)++;
    return true;
}

/* What follows the seconds: a fraction, which is dropped, and the zone. */
static bool take_zone(const char **text, int64_t *offset)
{
    int64_t hours, minutes;
    bool west;

    *offset = 0;
    if (take_one_of(text, ".")) {
        const size_t digits = strspn(*text, "0123456789");

        if (digits == 0)
            return false;
        *text += digits;
    }
    if (take_one_of(text, "Zz"))
        return true;
    west = **text == '-';
    if (!take_one_of(text, "+-") || !take_number(text, 2, 0, 23, &hours) ||
        !take_one_of(text, ":") || !take_number(text, 2, 0, 59, &minutes))
        return false;
    *offset = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

bool mst_grant_time(const char *text, int64_t *seconds)
{
    int64_t year, month, day, hour, minute, second, offset;
    struct tm tm = {0};

    if (!take_number(&text, 4, 1, 9999, &year) || !take_one_of(&text, "-") ||
        !take_number(&text, 2, 1, 12, &month) || !take_one_of(&text, "-") ||
        !take_number(&text, 2, 1, 31, &day) || !take_one_of(&text, "Tt") ||
        !take_number(&text, 2, 0, 23, &hour) || !take_one_of(&text, ":") ||
        !take_number(&text, 2, 0, 59, &minute) || !take_one_of(&text, ":") ||
        !take_number(&text, 2, 0, 60, &second) || !take_zone(&text, &offset) ||
        *text != '\0')
        return false;
    tm.tm_year = (int)year - 1900;
    tm.tm_mon = (int)month - 1;
    tm.tm_mday = (int)day;
    tm.tm_hour = (int)hour;
    tm.tm_min = (int)minute;
    tm.tm_sec = (int)second;
    *seconds = timegm(&tm) - offset;
    return true;
}

/* "" and absent alike. False: no memory. */
static bool copy_secret(const cJSON *status, const char *name, char **text)
{
    const char *value = mst_json_str(status, name);

    if (value == NULL || *value == '\0')
        return true;
    *text = mst_strdup(value);
    return *text != NULL;
}

static muster_err read_json(const cJSON *json, const char *asked,
                            mst_grant *grant, muster_error *err)
{
    const cJSON *status = mst_json_object(json, "status");
    const char *kind = mst_json_str(json, "kind");
    const char *version = mst_json_str(json, "apiVersion");
    const char *until = mst_json_str(status, "expirationTimestamp");

    grant->until = INT64_MAX;
    if (json == NULL || kind == NULL || strcmp(kind, "ExecCredential") != 0)
        return mst_fail(err, MUSTER_EKUBE, "it wrote no ExecCredential");
    if (version == NULL || strcmp(version, asked) != 0)
        return mst_fail(err, MUSTER_EKUBE, "it answered in %s, asked was %s",
                        version != NULL ? version : "no version", asked);
    if (!copy_secret(status, "token", &grant->token) ||
        !copy_secret(status, "clientCertificateData", &grant->cert) ||
        !copy_secret(status, "clientKeyData", &grant->key))
        return mst_fail(err, MUSTER_ENOMEM, "no memory for its answer");
    if ((grant->cert == NULL) != (grant->key == NULL))
        return mst_fail(err, MUSTER_EKUBE,
                        "it gave a certificate without its "
                        "key, or a key alone");
    if (grant->token == NULL && grant->cert == NULL)
        return mst_fail(err, MUSTER_EKUBE,
                        "it gave neither a token nor a "
                        "certificate");
    if (until != NULL && !mst_grant_time(until, &grant->until))
        return mst_fail(err, MUSTER_EKUBE,
                        "its expirationTimestamp is no time: "
                        "%.40s",
                        until);
    return MUSTER_OK;
}

muster_err mst_grant_read(const char *text, size_t len, const char *asked,
                          mst_grant *grant, muster_error *err)
{
    MST_AUTO(mst_drop_secret_json) cJSON *json = mst_json_parse(text, len);
    mst_grant got = {.until = INT64_MAX};
    const muster_err rc = read_json(json, asked, &got, err);

    if (rc == MUSTER_OK)
        *grant = got;
    else
        mst_grant_fini(&got);
    return rc;
}
