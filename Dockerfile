# httpd with mod_wsgi_rs, which serves /app/wsgi.py. docs/docker.md tells how to use the image.
#
#   docker build -t mod_wsgi_rs .
#   docker build -t mod_wsgi_rs --build-arg HTTPD_IMAGE=debian:trixie-slim .    with Debian's apache2
#
# HTTPD_IMAGE is an httpd:2.4 or a Debian; PYTHON the package of the Python, for example python3.13.
ARG HTTPD_IMAGE=httpd:2.4

FROM ${HTTPD_IMAGE} AS build
ARG PYTHON=python3
RUN if [ -x /usr/local/apache2/bin/apxs ]; then httpd="libapr1-dev libaprutil1-dev perl"; else httpd=apache2-dev; fi \
 && apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        $httpd ca-certificates cargo rustc gcc libc6-dev libclang-dev make ${PYTHON}
WORKDIR /src
COPY Cargo.toml Cargo.lock Makefile build.rs ./
COPY crates crates
COPY src src
COPY tools tools
RUN make build PACKAGES=no
COPY apxs apxs
RUN make install DESTDIR=/install && find /install -name '*.so' -exec strip --strip-unneeded {} +

FROM ${HTTPD_IMAGE}
ARG PYTHON=python3
RUN if [ -x /usr/local/apache2/bin/httpd ]; then httpd=; else httpd="apache2-bin media-types"; fi \
 && apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $httpd ${PYTHON} ${PYTHON}-venv \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        "$(${PYTHON} -c 'import sys; print("libpython%d.%d" % sys.version_info[:2])')" \
 && apt-get clean && rm -rf /var/lib/apt/lists/* \
 && ${PYTHON} -m venv /opt/venv \
# The same names with either httpd. What is written while it runs is written to one directory, by whatever user runs it.
 && mkdir -p /etc/mod_wsgi_rs/conf.d /app \
 && if [ -n "$httpd" ]; then modules=/usr/lib/apache2/modules types=/etc/mime.types; \
    else modules=/usr/local/apache2/modules types=/usr/local/apache2/conf/mime.types; fi \
 && ln -s "$modules" /etc/mod_wsgi_rs/modules \
 && ln -s "$types" /etc/mod_wsgi_rs/mime.types \
 && install -d -m 1777 /run/mod_wsgi_rs
COPY --from=build /install/ /
COPY docker/httpd.conf /etc/mod_wsgi_rs/
COPY docker/httpd-wsgi docker/healthcheck /usr/local/bin/
COPY examples/plain/hello.wsgi /app/wsgi.py

ENV PATH=/opt/venv/bin:$PATH \
    PORT=80 \
    WSGI_MODE=daemon \
    WSGI_SCRIPT=/app/wsgi.py \
    WSGI_PROCESSES=2 \
    WSGI_THREADS=8 \
    WSGI_STOP_TIMEOUT=6 \
    WSGI_HEALTH_PATH=/
WORKDIR /app
EXPOSE 80
# httpd finishes the requests it has; docker stop waits 10 s before it kills.
STOPSIGNAL SIGWINCH
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/opt/venv/bin/python", "-I", "/usr/local/bin/healthcheck"]
CMD ["httpd-wsgi"]
