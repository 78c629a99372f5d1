/* What the headers of httpd give as macros, as functions: Rust cannot call a macro, and some of these are macros or
 * functions depending on how httpd was built. Nothing here has logic of its own. */
#ifndef MOD_WSGI_SHIM_H
#define MOD_WSGI_SHIM_H

#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_connection.h"
#include "http_log.h"
#include "http_main.h"
#include "http_protocol.h"
#include "http_request.h"
#include "http_ssl.h"
#include "ap_listen.h"
#include "mod_auth.h"
#include "ap_mpm.h"
#include "mpm_common.h"
#include "scoreboard.h"
#include "unixd.h"
#include "util_filter.h"
#include "util_script.h"
#include "apr_buckets.h"
#include "apr_file_io.h"
#include "apr_hooks.h"
#include "apr_pools.h"
#include "apr_portable.h"
#include "apr_strings.h"
#include "apr_tables.h"
#include "apr_thread_proc.h"
#include "apu_version.h"

/* pool */
apr_pool_t *shim_pool_create(apr_pool_t *parent);
void shim_pool_destroy(apr_pool_t *pool);

/* config */
void *shim_module_config(const ap_conf_vector_t *vector, const module *record);

/* log: is a message of this level written at all */
int shim_log_request_level(const request_rec *r, int module_index, int level);
int shim_log_connection_level(const conn_rec *c, int module_index, int level);
int shim_log_server_level(const server_rec *s, int module_index, int level);

/* brigade and bucket */
int shim_brigade_empty(const apr_bucket_brigade *brigade);
apr_bucket *shim_brigade_first(apr_bucket_brigade *brigade);
void shim_brigade_append(apr_bucket_brigade *brigade, apr_bucket *bucket);
apr_status_t shim_brigade_append_file(apr_bucket_brigade *brigade, int fd, apr_off_t offset, apr_off_t length,
                                      int sendfile, int map, apr_pool_t *pool);
int shim_bucket_is_eos(const apr_bucket *bucket);
int shim_bucket_is_error(const apr_bucket *bucket);
int shim_bucket_is_metadata(const apr_bucket *bucket);
apr_status_t shim_bucket_read(apr_bucket *bucket, const char **data, apr_size_t *length, int block);
apr_status_t shim_bucket_split(apr_bucket *bucket, apr_size_t point);
void shim_bucket_delete(apr_bucket *bucket);
void shim_bucket_init(apr_bucket *bucket, apr_bucket_alloc_t *list);
void shim_bucket_insert_after(apr_bucket *bucket, apr_bucket *next);

/* status values of APR */
int shim_status_is_again(apr_status_t status);
int shim_status_is_timeout(apr_status_t status);
int shim_status_is_eof(apr_status_t status);
int shim_status_is_gone(apr_status_t status);
int shim_status_is_no_space(apr_status_t status);

/* request and connection */
apr_status_t shim_get_brigade(ap_filter_t *filters, apr_bucket_brigade *brigade, apr_off_t bytes, int block);
int shim_request_maps_files(const request_rec *r);
void shim_request_not_cached(request_rec *r);
void shim_request_send_continue(request_rec *r);
/* What to poll for input: the socket, or the pipe by which mod_http2 wakes a stream; -1 if there is neither. */
int shim_connection_input(conn_rec *c);
void *shim_connection_config(const conn_rec *c, const module *record);
void shim_connection_set_config(conn_rec *c, const module *record, void *config);
int shim_connection_is_ssl(conn_rec *c);
int shim_connection_wait(conn_rec *c, apr_interval_time_t time, apr_interval_time_t *before);
const char *shim_ssl_variable(request_rec *r, const char *name);
int shim_request_passes_authorization(const request_rec *r);
/* What ap_add_cgi_vars says as REQUEST_URI and REDIRECT_URL. */
int shim_request_says_current_uri(const request_rec *r);
const char *shim_request_redirect_url(request_rec *r);
/* Looks at the file as ap_directory_walk does. */
int shim_request_look_at_file(request_rec *r);
/* A <Directory> section by its place, in the order in which ap_directory_walk has them; 0 behind the last. Without a path, if
 * it is a regular expression. */
int shim_server_section(const server_rec *s, int place, const char **path, unsigned *depth, int *wildcard);
void shim_connection_close(conn_rec *c);
int shim_connection_kept(const conn_rec *c);

#endif
