/* reach.h - why the API server was not reached, in words. Pure.
 */
#ifndef MST_KUBE_REACH_H
#define MST_KUBE_REACH_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

/* Is it of use to try again? A certificate that is wrong stays wrong. */
bool mst_reach_again(CURLcode code, const char *words);

/* One clause: "connection refused", "its certificate is signed by an unknown
 * authority", and what is to be done about it.
 *
 *   words    libcurl's, may be ""
 *   source   where that is said, mst_kube_source
 */
void mst_reach_why(CURLcode code, const char *words, const char *source,
                   char *text, size_t bytes);

#endif
