/* SPDX-License-Identifier: Apache-2.0 */
#include "export/prometheus.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "export/accept.h"
#include "export/scrape.h"
#include "util/clock.h"
#include "util/utf8.h"

#define CONNECTIONS_LIMIT 64
#define CONNECTION_MEMORY ((size_t)16 * 1024)
#define IDLE_SECONDS 8U /* no usual scrape interval, so that no scrape meets the end */
#define RUN_NS (2 * NSEC_PER_MSEC)

struct http {
	struct MHD_Daemon *daemon;
	struct http_source source;
	struct scrapes scrapes;
	int timer; /* when the daemon is due though no socket is ready */
	int fd;	   /* an epoll set of the daemon's own one and the timer */
};

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

/* Nothing changes during a run: however many ask in it, a scrape is written once. */
static enum MHD_Result answer_metrics(struct http *http, struct MHD_Connection *connection)
{
	enum exposition format = accept_format(request_header(connection, MHD_HTTP_HEADER_ACCEPT));
	bool gzip = accept_gzip(request_header(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING));
	struct MHD_Response *response = scrapes_response(&http->scrapes, format, gzip);

	if (!response)
		return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory\n",
				   NULL);
	return MHD_queue_response(connection, MHD_HTTP_OK, response);
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

static int watch(struct http *http, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(http->fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* One descriptor for all that http_run() may be due for. */
static int open_fds(struct http *http)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int err;

	http->fd = epoll_create1(EPOLL_CLOEXEC);
	http->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (http->fd < 0 || http->timer < 0 || !info)
		return info ? -errno : -ENOMEM;
	err = watch(http, info->epoll_fd);
	return err ? err : watch(http, http->timer);
}

int http_open(const struct config_listen *config, const struct http_source *source,
	      struct http **ret)
{
	int listener = open_listener(config);
	struct http *http;
	int err;

	if (listener < 0)
		return listener;
	http = calloc(1, sizeof(*http));
	if (!http) {
		close(listener);
		return -ENOMEM;
	}
	http->source = *source;
	http->scrapes = (struct scrapes){ .series = source->series,
					  .collect = source->collect,
					  .context = source->context };
	http->fd = http->timer = -1;
	http->daemon = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, handle, http, MHD_OPTION_LISTEN_SOCKET, listener,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_LIMIT,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		CONNECTION_MEMORY, MHD_OPTION_END);
	if (!http->daemon)
		close(listener);
	err = http->daemon ? open_fds(http) : -ENOMEM;
	if (err) {
		http_close(http);
		return err;
	}
	*ret = http;
	return 0;
}

/* Stopping the daemon closes its listener and frees the bodies. */
void http_close(struct http *http)
{
	if (!http)
		return;
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	if (http->timer >= 0)
		close(http->timer);
	if (http->fd >= 0)
		close(http->fd);
	free(http);
}

int http_fd(const struct http *http)
{
	return http->fd;
}

/* Milliseconds until the daemon is due, 0 for now; false: it waits for its sockets only. */
static bool find_due(const struct http *http, uint64_t *ret_ms)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	if (MHD_get_timeout(http->daemon, &timeout) != MHD_YES)
		return false;
	*ret_ms = timeout;
	return true;
}

/* Setting the timer also takes back that it was readable. All zero disarms it. */
static void set_timer(struct http *http)
{
	struct itimerspec spec = { 0 };
	uint64_t ms;

	if (find_due(http, &ms)) {
		spec.it_value.tv_sec = (time_t)(ms / 1000);
		spec.it_value.tv_nsec = (long)(ms % 1000 * NSEC_PER_MSEC) + 1;
	}
	timerfd_settime(http->timer, 0, &spec, NULL);
}

void http_run(struct http *http)
{
	uint64_t end = clock_now() + RUN_NS, ms;

	do
		MHD_run(http->daemon);
	while (find_due(http, &ms) && ms == 0 && clock_now() < end);
	scrapes_forget(&http->scrapes);
	set_timer(http);
}
