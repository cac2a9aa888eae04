/* SPDX-License-Identifier: Apache-2.0 */
#include "export/prometheus.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "export/accept.h"
#include "export/clients.h"
#include "export/scrape.h"
#include "util/clock.h"
#include "util/utf8.h"

#define CONNECTION_MEMORY ((size_t)8 * 1024) /* bounds the head of a request, too */
#define IDLE_SECONDS 8U /* no usual scrape interval, so that no scrape meets the end */
#define RUN_NS (2 * NSEC_PER_MSEC)
#define UNREAD_MS \
	30000U /* of a reader who takes nothing, when the connection is not ours any more */

struct http {
	struct MHD_Daemon *daemon;
	struct http_source source;
	struct scrapes scrapes;
	struct clients clients;
	int timer; /* when the daemon is due though no socket is ready */
	int fd;	   /* an epoll set of the daemon's own one and the timer */
};

/* ---- clients ---- */

static struct client *client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **client,
			  enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http *http = context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*client = clients_add(&http->clients, info->connect_fd, clock_now());
	else
		clients_remove(&http->clients, *client, clock_now());
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	(void)context;
	(void)state;
	(void)code;
	clients_done(client_of(connection), clock_now());
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

/* A header's lines, one list as RFC 9110, section 5.3, has it. */
struct lines {
	const char *name;
	char text[CONNECTION_MEMORY]; /* the whole head has no more */
	size_t size;
};

static enum MHD_Result take_line(void *context, enum MHD_ValueKind kind, const char *name,
				 const char *value)
{
	struct lines *lines = context;
	size_t size = value ? strlen(value) : 0;

	(void)kind;
	if (strcasecmp(name, lines->name) != 0 || size + 2 > sizeof(lines->text) - lines->size)
		return MHD_YES;
	if (lines->size)
		lines->text[lines->size++] = ',';
	if (size)
		memcpy(lines->text + lines->size, value, size);
	lines->size += size;
	lines->text[lines->size] = '\0';
	return MHD_YES;
}

static void read_header(struct MHD_Connection *connection, const char *name, struct lines *ret)
{
	ret->name = name;
	ret->size = 0;
	ret->text[0] = '\0';
	MHD_get_connection_values(connection, MHD_HEADER_KIND, take_line, ret);
}

/* Nothing changes during a run: however many ask in it, a scrape is written once. */
static enum MHD_Result answer_metrics(struct http *http, struct MHD_Connection *connection)
{
	struct MHD_Response *response;
	enum exposition format;
	struct lines lines;

	read_header(connection, MHD_HTTP_HEADER_ACCEPT, &lines);
	format = accept_format(lines.text);
	read_header(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING, &lines);
	response = scrapes_response(&http->scrapes, format, accept_gzip(lines.text));
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
	text_free(&text);
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
	clients_answer(client_of(connection), clock_now());
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
	unsigned int unread = UNREAD_MS;
	int on = 1, err = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unread, sizeof(unread)) ||
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
					  .refresh = source->refresh,
					  .collect = source->collect,
					  .context = source->context };
	http->fd = http->timer = -1;
	http->daemon = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, handle, http, MHD_OPTION_LISTEN_SOCKET, listener,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CLIENTS_PLACES,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, http, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_END);
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

/* Nanoseconds until the daemon is due, 0 for now; UINT64_MAX: it waits for its sockets only. */
static uint64_t find_due(const struct http *http)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	if (MHD_get_timeout(http->daemon, &timeout) != MHD_YES)
		return UINT64_MAX;
	return timeout * NSEC_PER_MSEC;
}

/* Setting the timer also takes back that it was readable. All zero disarms it. */
static void set_timer(struct http *http, uint64_t now, uint64_t next)
{
	struct itimerspec spec = { 0 };
	uint64_t due = find_due(http);

	if (next != UINT64_MAX && next - now < due)
		due = next - now;
	if (due != UINT64_MAX) {
		spec.it_value.tv_sec = (time_t)(due / NSEC_PER_SEC);
		spec.it_value.tv_nsec = (long)(due % NSEC_PER_SEC) | 1;
	}
	timerfd_settime(http->timer, 0, &spec, NULL);
}

void http_run(struct http *http)
{
	uint64_t now = clock_now(), end = now + RUN_NS, next;

	next = clients_expire(&http->clients, now);
	do
		MHD_run(http->daemon);
	while (find_due(http) == 0 && clock_now() < end);
	scrapes_forget(&http->scrapes);
	set_timer(http, now, next);
}
