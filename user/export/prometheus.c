/* SPDX-License-Identifier: Apache-2.0 */
#include "export/prometheus.h"

#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <unistd.h>

#include "export/accept.h"
#include "export/gzip.h"
#include "util/clock.h"
#include "util/utf8.h"

#define CONNECTIONS_LIMIT 64
#define CONNECTION_MEMORY ((size_t)16 * 1024)
#define IDLE_SECONDS 8U		    /* no usual scrape interval, so that no scrape meets the end */
#define BODIES_LIMIT 8		    /* scrapes being read at once; a new one ends the oldest */
#define BODY_NS (30 * NSEC_PER_SEC) /* in which a scrape has to be read */
#define BLOCK_SIZE ((size_t)64 * 1024)
#define RUN_NS (2 * NSEC_PER_MSEC)

/* A scrape on its way, newest first in a list. */
struct body {
	struct http *http;
	struct body *next;
	char *data; /* NULL: its reader was too slow */
	size_t size;
	uint64_t deadline;
};

struct http {
	struct MHD_Daemon *daemon;
	struct http_source source;
	struct body *bodies;
	struct MHD_Response *fresh[2][2]; /* written in this run: by format, and whether packed */
	size_t last_size;		  /* of the last scrape: the next will be about as long */
	int listener, fd;
};

/* ---- bodies ---- */

static ssize_t body_read(void *context, uint64_t position, char *ret, size_t size)
{
	const struct body *body = context;

	if (!body->data || clock_now() > body->deadline)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (position >= body->size)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (size > body->size - position)
		size = body->size - position;
	memcpy(ret, body->data + position, size);
	return (ssize_t)size;
}

static void body_free(void *context)
{
	struct body *body = context, **link = &body->http->bodies;

	while (*link && *link != body)
		link = &(*link)->next;
	if (*link)
		*link = body->next;
	free(body->data);
	free(body);
}

/* Those beyond the limit lose their bytes now; their connections end when they ask for more. */
static void bodies_trim(struct http *http)
{
	size_t count = 0;

	for (struct body *body = http->bodies; body; body = body->next) {
		if (++count <= BODIES_LIMIT)
			continue;
		free(body->data);
		body->data = NULL;
	}
}

/* The whole scrape, in memory of the caller's. */
static int write_scrape(struct http *http, enum exposition format, bool gzip, struct text *ret)
{
	struct text plain = { 0 };
	int err;

	text_reserve(&plain, http->last_size + http->last_size / 8 + 1);
	err = exposition_write(&plain, format, http->source.series, http->source.collect,
			       http->source.context);
	http->last_size = plain.size;
	if (!err && !gzip) {
		*ret = plain;
		return 0;
	}
	if (!err)
		err = gzip_pack(&plain, ret);
	free(plain.data);
	return err;
}

/* NULL without memory. */
static struct body *body_write(struct http *http, enum exposition format, bool gzip)
{
	struct body *body = calloc(1, sizeof(*body));
	struct text text = { 0 };

	if (!body)
		return NULL;
	if (write_scrape(http, format, gzip, &text)) {
		free(body);
		return NULL;
	}
	*body = (struct body){ .http = http,
			       .next = http->bodies,
			       .data = text.data,
			       .size = text.size,
			       .deadline = clock_now() + BODY_NS };
	http->bodies = body;
	bodies_trim(http);
	return body;
}

/* ---- answers ---- */

struct header {
	const char *name, *value;
};

/* Gives the response away, with `headers`, which end with a name NULL. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned int code,
			      struct MHD_Response *response, const struct header *headers)
{
	enum MHD_Result result = MHD_YES;

	if (!response)
		return MHD_NO;
	for (; headers->name && result == MHD_YES; headers++)
		result = MHD_add_response_header(response, headers->name, headers->value);
	if (result == MHD_YES)
		result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static struct MHD_Response *copy_text(const char *text)
{
	return MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
}

/* A line for people; `allow` may be NULL. */
static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned int code,
				   const char *text, const char *allow)
{
	const struct header headers[] = {
		{ MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8" },
		{ allow ? MHD_HTTP_HEADER_ALLOW : NULL, allow },
		{ NULL, NULL },
	};

	return answer(connection, code, copy_text(text), headers);
}

static const char *request_header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* NULL without memory. */
static struct MHD_Response *scrape_write(struct http *http, enum exposition format, bool gzip)
{
	struct body *body = body_write(http, format, gzip);
	struct MHD_Response *response;

	if (!body)
		return NULL;
	response = MHD_create_response_from_callback(body->size, BLOCK_SIZE, body_read, body,
						     body_free);
	if (!response) {
		body_free(body);
		return NULL;
	}
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				    exposition_type(format)) == MHD_YES &&
	    MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding") ==
		    MHD_YES &&
	    (!gzip || MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip") ==
			      MHD_YES))
		return response;
	MHD_destroy_response(response);
	return NULL;
}

/* Nothing changes during a run: however many ask in it, a scrape is written once. */
static enum MHD_Result answer_metrics(struct http *http, struct MHD_Connection *connection)
{
	enum exposition format = accept_format(request_header(connection, MHD_HTTP_HEADER_ACCEPT));
	bool gzip = accept_gzip(request_header(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING));
	struct MHD_Response **fresh = &http->fresh[format][gzip];

	if (!*fresh)
		*fresh = scrape_write(http, format, gzip);
	if (!*fresh)
		return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory\n",
				   NULL);
	return MHD_queue_response(connection, MHD_HTTP_OK, *fresh);
}

static void forget_fresh(struct http *http)
{
	for (int i = 0; i < 4; i++) {
		struct MHD_Response **fresh = &http->fresh[i / 2][i % 2];

		if (*fresh)
			MHD_destroy_response(*fresh);
		*fresh = NULL;
	}
}

/* Strings of JSON (RFC 8259, section 7) from texts without control characters. */
static void put_json(struct text *text, const char *string)
{
	char clean[HTTP_REASON_SIZE];

	utf8_copy(clean, sizeof(clean), string);
	text_put(text, "\"", 1);
	for (const char *at = clean; *at; at++) {
		if (*at == '"' || *at == '\\')
			text_put(text, "\\", 1);
		text_put(text, at, 1);
	}
	text_put(text, "\"", 1);
}

static enum MHD_Result answer_health(struct http *http, struct MHD_Connection *connection)
{
	static const struct header headers[] = {
		{ MHD_HTTP_HEADER_CONTENT_TYPE, "application/json" },
		{ MHD_HTTP_HEADER_CACHE_CONTROL, "no-store" },
		{ NULL, NULL },
	};
	char reason[HTTP_REASON_SIZE] = "";
	bool healthy = !http->source.healthy || http->source.healthy(http->source.context, reason);
	struct MHD_Response *response;
	struct text text = { 0 };

	text_puts(&text, "{\"status\":");
	put_json(&text, healthy ? "ok" : "unhealthy");
	if (!healthy) {
		text_puts(&text, ",\"reason\":");
		put_json(&text, reason);
	}
	text_put(&text, "}\n", 3);
	response = text.failed ? NULL : copy_text(text.data);
	free(text.data);
	return answer(connection, healthy ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, response,
		      headers);
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **state)
{
	struct http *http = context;
	bool metrics = strcmp(url, "/metrics") == 0, health = strcmp(url, "/health") == 0;
	bool reads = strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
		     strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;

	(void)version;
	(void)upload;
	/* Called first with the headers alone; an answer now means that a body is not wanted. */
	if (reads && !*state) {
		*state = http;
		return MHD_YES;
	}
	if (reads && *upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (!metrics && !health)
		return answer_text(connection, MHD_HTTP_NOT_FOUND, "not found\n", NULL);
	if (!reads)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				   "only GET and HEAD are served\n", "GET, HEAD");
	return metrics ? answer_metrics(http, connection) : answer_health(http, connection);
}

/* ---- the endpoint ---- */

/* A socket of our own, so that what is wrong can be said exactly. */
static int open_listener(const struct config_listen *config)
{
	const struct sockaddr *address = (const struct sockaddr *)&config->address;
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, err = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, address, config->size) || listen(fd, SOMAXCONN))
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

int http_open(const struct config_listen *config, const struct http_source *source,
	      struct http **ret)
{
	int listener = open_listener(config);
	const union MHD_DaemonInfo *info;
	struct http *http;

	if (listener < 0)
		return listener;
	http = calloc(1, sizeof(*http));
	if (!http)
		goto fail;
	http->source = *source;
	http->listener = listener;
	http->daemon = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, handle, http, MHD_OPTION_LISTEN_SOCKET, listener,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_LIMIT,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		CONNECTION_MEMORY, MHD_OPTION_END);
	if (!http->daemon)
		goto fail;
	info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info) {
		http_close(http);
		return -ENOMEM;
	}
	http->fd = info->epoll_fd;
	*ret = http;
	return 0;
fail:
	free(http);
	close(listener);
	return -ENOMEM;
}

/* Stopping the daemon closes its listener and frees the bodies. */
void http_close(struct http *http)
{
	if (!http)
		return;
	MHD_stop_daemon(http->daemon);
	free(http);
}

int http_fd(const struct http *http)
{
	return http->fd;
}

int http_timeout(const struct http *http)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	if (MHD_get_timeout(http->daemon, &timeout) != MHD_YES)
		return -1;
	return timeout > INT_MAX ? INT_MAX : (int)timeout;
}

void http_run(struct http *http)
{
	uint64_t end = clock_now() + RUN_NS;

	do
		MHD_run(http->daemon);
	while (http_timeout(http) == 0 && clock_now() < end);
	forget_fresh(http);
}
