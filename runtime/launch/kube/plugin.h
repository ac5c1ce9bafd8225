/* plugin.h - exec credential plugins: a program that says who we are.
 *
 * client.authentication.k8s.io/v1 and v1beta1. The program inherits our
 * environment, with what the kubeconfig adds and KUBERNETES_EXEC_INFO, and
 * writes an ExecCredential as JSON on its standard output.
 */
#ifndef MST_KUBE_PLUGIN_H
#define MST_KUBE_PLUGIN_H

#include <stdint.h>

#include <muster/error.h>

#include "launch/kube/exec.h"
#include "launch/kube/grant.h"
#include "launch/kube/kubeconfig.h"

#define MST_PLUGIN_MS 60000      /* for a program that asks nobody */
#define MST_PLUGIN_ASK_MS 300000 /* for one that may ask on the terminal */

typedef struct mst_plugin mst_plugin;

/* Read `exec` of a user. Everything is copied.
 *
 *   cluster  for KUBERNETES_EXEC_INFO, where the plugin wants that
 *   ca       PEM of the cluster, or NULL
 *   plugin   set on MUSTER_OK only; NULL: the user has no plugin
 *
 * Errors:  MUSTER_EKUBE  the text has what is wrong; MUSTER_ENOMEM
 */
muster_err mst_plugin_create(const mst_kubeconfig_part *user,
                             const mst_kubeconfig_part *cluster, const char *ca,
                             mst_plugin **plugin, muster_error *err);
void mst_plugin_destroy(mst_plugin **plugin);

/* Run it, and wait.
 *
 *   patience  the caller's; at most MST_PLUGIN_MS, or MST_PLUGIN_ASK_MS
 *   grant     filled on MUSTER_OK; the caller's, mst_grant_fini
 *
 * Errors:  MUSTER_EKUBE  it is not installed, failed, took too long, or said
 *                        no credentials; the end of its standard error is in
 *                        the text, and what the kubeconfig says on installing
 *          MUSTER_ENOMEM
 */
muster_err mst_plugin_run(const mst_plugin *plugin,
                          const mst_patience *patience, mst_grant *grant,
                          muster_error *err);

#endif
