#include "shim.h"

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

/* The descriptor is duplicated into the pool, so that it lives as long as the bucket. The file is never mapped into
 * memory: an application may truncate it while it is being sent. */
apr_status_t shim_brigade_append_file(apr_bucket_brigade *brigade, int fd, apr_off_t offset, apr_off_t length,
                                      int sendfile, apr_pool_t *pool)
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
    bucket = apr_brigade_insert_file(brigade, owned, offset, length, pool);
#if APR_HAS_MMAP
    for (; bucket != APR_BRIGADE_SENTINEL(brigade); bucket = APR_BUCKET_PREV(bucket)) {
        if (!APR_BUCKET_IS_FILE(bucket) || ((apr_bucket_file *)bucket->data)->fd != owned) {
            break;
        }
        apr_bucket_file_enable_mmap(bucket, 0);
    }
#endif
    (void)bucket;
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

int shim_status_is_again(apr_status_t status)
{
    return APR_STATUS_IS_EAGAIN(status);
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
