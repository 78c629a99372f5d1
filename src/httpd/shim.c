#include "shim.h"

#include <fcntl.h>

APLOG_USE_MODULE(wsgi);

apr_pool_t *shim_pool_create(apr_pool_t *parent)
{
    apr_pool_t *pool = NULL;
    return apr_pool_create(&pool, parent) == APR_SUCCESS ? pool : NULL;
}

void shim_pool_destroy(apr_pool_t *pool)
{
    apr_pool_destroy(pool);
}

void *shim_module_config(const ap_conf_vector_t *vector, const module *record)
{
    return ap_get_module_config(vector, record);
}

int shim_log_request_level(const request_rec *r, int module_index, int level)
{
    return APLOG_R_MODULE_IS_LEVEL(r, module_index, level);
}

int shim_log_connection_level(const conn_rec *c, int module_index, int level)
{
    return APLOG_C_MODULE_IS_LEVEL(c, module_index, level);
}

int shim_log_server_level(const server_rec *s, int module_index, int level)
{
    return APLOG_MODULE_IS_LEVEL(s, module_index, level);
}

int shim_brigade_empty(const apr_bucket_brigade *brigade)
{
    return APR_BRIGADE_EMPTY(brigade);
}

apr_bucket *shim_brigade_first(apr_bucket_brigade *brigade)
{
    return APR_BRIGADE_EMPTY(brigade) ? NULL : APR_BRIGADE_FIRST(brigade);
}

void shim_brigade_append(apr_bucket_brigade *brigade, apr_bucket *bucket)
{
    APR_BRIGADE_INSERT_TAIL(brigade, bucket);
}

/* A file that is read, because it cannot be sent by the kernel, is read in pieces of this size. */
#define SHIM_FILE_BLOCK (64 * 1024)

/* The descriptor is duplicated into the pool, so that it lives as long as the bucket. With `map` the file may be mapped
 * into memory; who truncates it then while it is being sent ends this process with SIGBUS. */
apr_status_t shim_brigade_append_file(apr_bucket_brigade *brigade, int fd, apr_off_t offset, apr_off_t length,
                                      int sendfile, int map, apr_pool_t *pool)
{
    apr_file_t *borrowed = NULL;
    apr_file_t *owned = NULL;
    apr_bucket *bucket;
    apr_os_file_t descriptor = fd;
    apr_status_t status;
    apr_int32_t flags = APR_FOPEN_READ;

#if APR_HAS_SENDFILE
    if (sendfile) {
        flags |= APR_FOPEN_SENDFILE_ENABLED;
    }
#endif
    status = apr_os_file_put(&borrowed, &descriptor, flags, pool);
    if (status == APR_SUCCESS) {
        status = apr_file_dup(&owned, borrowed, pool);
    }
    if (status != APR_SUCCESS) {
        return status;
    }
    if (apr_os_file_get(&descriptor, owned) == APR_SUCCESS) {
        fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    }
    bucket = apr_brigade_insert_file(brigade, owned, offset, length, pool);
    for (; bucket != APR_BRIGADE_SENTINEL(brigade); bucket = APR_BUCKET_PREV(bucket)) {
        if (!APR_BUCKET_IS_FILE(bucket) || ((apr_bucket_file *)bucket->data)->fd != owned) {
            break;
        }
#if APR_HAS_MMAP
        apr_bucket_file_enable_mmap(bucket, map);
#endif
#if APU_MAJOR_VERSION > 1 || (APU_MAJOR_VERSION == 1 && APU_MINOR_VERSION >= 6)
        apr_bucket_file_set_buf_size(bucket, SHIM_FILE_BLOCK);
#endif
    }
    return APR_SUCCESS;
}

int shim_bucket_is_eos(const apr_bucket *bucket)
{
    return APR_BUCKET_IS_EOS(bucket);
}

int shim_bucket_is_error(const apr_bucket *bucket)
{
    return AP_BUCKET_IS_ERROR(bucket);
}

int shim_bucket_is_metadata(const apr_bucket *bucket)
{
    return APR_BUCKET_IS_METADATA(bucket);
}

apr_status_t shim_bucket_read(apr_bucket *bucket, const char **data, apr_size_t *length, int block)
{
    return apr_bucket_read(bucket, data, length, block ? APR_BLOCK_READ : APR_NONBLOCK_READ);
}

apr_status_t shim_bucket_split(apr_bucket *bucket, apr_size_t point)
{
    return apr_bucket_split(bucket, point);
}

void shim_bucket_delete(apr_bucket *bucket)
{
    apr_bucket_delete(bucket);
}

void shim_bucket_init(apr_bucket *bucket, apr_bucket_alloc_t *list)
{
    APR_BUCKET_INIT(bucket);
    bucket->free = apr_bucket_free;
    bucket->list = list;
}

void shim_bucket_insert_after(apr_bucket *bucket, apr_bucket *next)
{
    APR_BUCKET_INSERT_AFTER(bucket, next);
}

int shim_status_is_again(apr_status_t status)
{
    return APR_STATUS_IS_EAGAIN(status);
}

int shim_status_is_gone(apr_status_t status)
{
    return APR_STATUS_IS_EOF(status) || APR_STATUS_IS_ECONNRESET(status) || APR_STATUS_IS_ECONNABORTED(status)
           || APR_STATUS_IS_EPIPE(status) || APR_STATUS_IS_INCOMPLETE(status);
}

int shim_status_is_no_space(apr_status_t status)
{
    return APR_STATUS_IS_ENOSPC(status);
}

int shim_status_is_timeout(apr_status_t status)
{
    return APR_STATUS_IS_TIMEUP(status) || APR_STATUS_IS_ETIMEDOUT(status);
}

int shim_status_is_eof(apr_status_t status)
{
    return APR_STATUS_IS_EOF(status);
}

apr_status_t shim_get_brigade(ap_filter_t *filters, apr_bucket_brigade *brigade, apr_off_t bytes, int block)
{
    return ap_get_brigade(filters, brigade, AP_MODE_READBYTES, block ? APR_BLOCK_READ : APR_NONBLOCK_READ, bytes);
}

int shim_request_passes_authorization(const request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);

    return core->cgi_pass_auth == AP_CGI_PASS_AUTH_ON;
}

int shim_request_says_current_uri(const request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    const char *rule = NULL;

    if (core->cgi_var_rules != NULL) {
        rule = apr_hash_get(core->cgi_var_rules, "REQUEST_URI", APR_HASH_KEY_STRING);
    }
    return rule != NULL && strcmp(rule, "current-uri") == 0;
}

const char *shim_request_redirect_url(request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    apr_uri_t uri;

    if (r->prev == NULL) {
        return NULL;
    }
    if (core->qualify_redirect_url != AP_CORE_CONFIG_ON) {
        return r->prev->uri;
    }
    uri = r->prev->parsed_uri;
    if (uri.scheme == NULL) {
        uri.scheme = (char *)ap_http_scheme(r->prev);
    }
    if (uri.port == 0) {
        uri.port = ap_get_server_port(r->prev);
        uri.port_str = apr_psprintf(r->pool, "%u", uri.port);
    }
    if (uri.hostname == NULL) {
        uri.hostname = (char *)ap_get_server_name_for_url(r->prev);
    }
    return apr_uri_unparse(r->pool, &uri, 0);
}

int shim_request_maps_files(const request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);

    return core->enable_mmap == ENABLE_MMAP_ON;
}

int shim_request_look_at_file(request_rec *r)
{
    return ap_run_dirwalk_stat(&r->finfo, r, APR_FINFO_MIN) == APR_SUCCESS;
}

int shim_server_section(const server_rec *s, int place, const char **path, unsigned *depth, int *wildcard)
{
    const core_server_config *server = ap_get_core_module_config(s->module_config);
    const core_dir_config *section;

    if (server->sec_dir == NULL || place >= server->sec_dir->nelts) {
        return 0;
    }
    section = ap_get_core_module_config(((ap_conf_vector_t **)server->sec_dir->elts)[place]);
    *path = section->r != NULL ? NULL : section->d;
    *depth = section->d_components;
    *wildcard = section->d_is_fnmatch;
    return 1;
}

void shim_request_not_cached(request_rec *r)
{
    for (; r != NULL; r = r->main) {
        r->no_cache = 1;
    }
}

void shim_request_send_continue(request_rec *r)
{
    int status = r->status;
    const char *line = r->status_line;

    r->status = HTTP_CONTINUE;
    r->status_line = NULL;
    ap_send_interim_response(r, 0);
    r->status = status;
    r->status_line = line;
}

int shim_connection_input(conn_rec *c)
{
    apr_socket_t *socket = NULL;
    apr_os_sock_t fd = -1;

#if AP_MODULE_MAGIC_AT_LEAST(20120211, 129)
    if (c->master != NULL) {
        apr_pollfd_t poll = {0};

        poll.desc_type = APR_NO_DESC;
        if (ap_get_pollfd_from_conn(c, &poll, NULL) != APR_SUCCESS || poll.desc_type != APR_POLL_FILE) {
            return -1;
        }
        return apr_os_file_get(&fd, poll.desc.f) == APR_SUCCESS ? fd : -1;
    }
#endif
    if (c->master == NULL) {
        socket = ap_get_conn_socket(c);
    }
    return socket != NULL && apr_os_sock_get(&fd, socket) == APR_SUCCESS ? fd : -1;
}

void *shim_connection_config(const conn_rec *c, const module *record)
{
    return ap_get_module_config(c->conn_config, record);
}

void shim_connection_set_config(conn_rec *c, const module *record, void *config)
{
    ap_set_module_config(c->conn_config, record, config);
}

/* How long is waited for the client from now on, and before; only where the connection has a socket of its own. */
int shim_connection_wait(conn_rec *c, apr_interval_time_t time, apr_interval_time_t *before)
{
    apr_socket_t *socket = c->master == NULL ? ap_get_conn_socket(c) : NULL;

    return socket != NULL && apr_socket_timeout_get(socket, before) == APR_SUCCESS
           && apr_socket_timeout_set(socket, time) == APR_SUCCESS;
}

int shim_connection_is_ssl(conn_rec *c)
{
    return ap_ssl_conn_is_ssl(c);
}

const char *shim_ssl_variable(request_rec *r, const char *name)
{
    return ap_ssl_var_lookup(r->pool, r->server, r->connection, r, name);
}

void shim_connection_close(conn_rec *c)
{
    c->keepalive = AP_CONN_CLOSE;
}

int shim_connection_kept(const conn_rec *c)
{
    return c->keepalive == AP_CONN_KEEPALIVE;
}
