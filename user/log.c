/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/utf8.h"

#define LINE_SIZE 4096
#define MESSAGE_SIZE 2048
#define SHORT_SIZE 256
#define NAME_LIMIT 128

struct line {
	size_t size; /* bytes of json, the newline included */
	char json[LINE_SIZE];
	char brief[SHORT_SIZE];
};

/* A text under construction; what does not fit is left out whole, character by character. */
struct out {
	char *data;
	size_t size, limit;
};

static const char *const level_names[] = { "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL" };

static struct {
	enum log_level level;
	bool held;
	uint64_t written;  /* lines ever written; the newest is at (written - 1) % LOG_RECENT */
	uint64_t released; /* of them, those that have reached standard error, or never will */
	uint64_t lost;	   /* of those, lines for which there was no room in time */
	struct line lines[LOG_RECENT];
} log_state = { .level = LOG_LEVEL_INFO };

void log_set_level(enum log_level level)
{
	log_state.level = level;
}

static void put(struct out *out, const char *text, size_t size)
{
	if (size > out->limit - out->size) {
		out->limit = out->size;
		return;
	}
	memcpy(out->data + out->size, text, size);
	out->size += size;
}

static void put_text(struct out *out, const char *text)
{
	put(out, text, strlen(text));
}

/* RFC 8259, section 7. C1 controls and DEL need no escape there, but a terminal obeys them. */
static void put_character(struct out *out, uint32_t code, const char *raw, size_t size)
{
	char escaped[8];

	if (code == UTF8_INVALID)
		put_text(out, "\xef\xbf\xbd");
	else if (code == '"')
		put_text(out, "\\\"");
	else if (code == '\\')
		put_text(out, "\\\\");
	else if (code == '\n')
		put_text(out, "\\n");
	else if (code == '\t')
		put_text(out, "\\t");
	else if (utf8_is_control(code))
		put(out, escaped, (size_t)snprintf(escaped, sizeof(escaped), "\\u%04x", code));
	else
		put(out, raw, size);
}

/* At most `limit` bytes of it, cut between characters. */
static void put_escaped(struct out *out, const char *text, size_t limit)
{
	struct bytes in = { (const uint8_t *)text, strlen(text) };
	size_t whole = out->limit;
	size_t size;

	if (limit < out->limit - out->size)
		out->limit = out->size + limit;
	while (in.size > 0) {
		uint32_t code = utf8_read(in, &size);

		put_character(out, code, (const char *)in.data, size);
		in = bytes_skip(in, size);
	}
	out->limit = whole;
}

static void put_string(struct out *out, const char *text, size_t limit)
{
	put(out, "\"", 1);
	put_escaped(out, text, limit);
	put(out, "\"", 1);
}

static void put_member(struct out *out, const char *key, const char *text, size_t limit)
{
	put_string(out, key, NAME_LIMIT);
	put(out, ":", 1);
	put_string(out, text, limit);
}

static void put_extra(struct out *out, const struct log_extra *extra)
{
	const char *comma = "";
	char number[24];

	put_text(out, "{");
	for (; extra && extra->key; extra++) {
		/* A member is written whole but for its text's end, so that the line stays JSON. */
		if (out->limit - out->size < 2 * NAME_LIMIT)
			break;
		put_text(out, comma);
		put_string(out, extra->key, NAME_LIMIT);
		put(out, ":", 1);
		if (extra->text)
			put_string(out, extra->text, out->limit - out->size - 32);
		else
			put(out, number,
			    (size_t)snprintf(number, sizeof(number), "%lld",
					     (long long)extra->number));
		comma = ",";
	}
	put_text(out, "}");
}

static void write_all(const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDERR_FILENO, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nobody left to tell */
		data += n;
		size -= (size_t)n;
	}
}

/* Whether a line can be written at once: LINE_SIZE is not more than a pipe then takes, pipe(7). */
static bool has_room(void)
{
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&room, 1, 0) != 0;
}

/* What whoever reads the log has no room for waits: it must not hold up the event loop. */
static void release(void)
{
	while (log_state.released < log_state.written && has_room()) {
		const struct line *line = &log_state.lines[log_state.released % LOG_RECENT];

		write_all(line->json, line->size);
		log_state.released++;
	}
}

/* The oldest line that waits has to go for a new one. */
static void make_room(void)
{
	if (log_state.written - log_state.released < LOG_RECENT)
		return;
	log_state.released++;
	log_state.lost += !log_state.held;
}

static void format_brief(struct line *line, const char *time, enum log_level level,
			 const char *message)
{
	struct out out = { line->brief, 0, sizeof(line->brief) - 1 };

	put(&out, time, 8);
	put(&out, " ", 1);
	put_text(&out, level_names[level]);
	put(&out, " ", 1);
	put_escaped(&out, message, out.limit - out.size);
	line->brief[out.size] = '\0';
}

void log_write(enum log_level level, const char *logger, const char *file, int line_number,
	       const struct log_extra *extra, const char *format, ...)
{
	struct line *line = &log_state.lines[log_state.written % LOG_RECENT];
	struct out out = { line->json, 0, sizeof(line->json) - 2 };
	uint64_t wall = clock_wall();
	time_t seconds = (time_t)(wall / NSEC_PER_SEC);
	char message[MESSAGE_SIZE], when[40], number[24];
	struct tm tm;
	va_list args;

	if (level < log_state.level)
		return;
	make_room();
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	gmtime_r(&seconds, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(when + 19, sizeof(when) - 19, ".%06u",
		 (unsigned int)(wall % NSEC_PER_SEC / NSEC_PER_USEC));

	put_text(&out, "{");
	put_member(&out, "timestamp", when, NAME_LIMIT);
	put_text(&out, ",");
	put_member(&out, "level", level_names[level], NAME_LIMIT);
	put_text(&out, ",");
	put_member(&out, "logger", logger, NAME_LIMIT);
	put_text(&out, ",");
	put_member(&out, "message", message, MESSAGE_SIZE);
	put_text(&out, ",");
	put_member(&out, "pathname", file, NAME_LIMIT);
	snprintf(number, sizeof(number), "%d", line_number);
	put_text(&out, ",\"lineno\":");
	put_text(&out, number);
	put_text(&out, ",\"request_id\":null,\"user_id\":null,\"device_ip\":null,"
		       "\"exception\":null,\"extra\":");
	put_extra(&out, extra);
	line->json[out.size++] = '}';
	line->json[out.size++] = '\n';
	line->size = out.size;
	format_brief(line, when + 11, level, message);
	log_state.written++;
	if (!log_state.held)
		release();
}

void log_hold(bool hold)
{
	log_state.held = hold;
	if (!hold)
		release();
}

void log_flush(void)
{
	uint64_t lost = log_state.lost;

	if (log_state.held)
		return;
	release();
	if (!lost || log_state.released < log_state.written)
		return;
	log_state.lost = 0;
	log_warning_with("onlooker", LOG_EXTRA(LOG_NUMBER("lines", lost)),
			 "lines of this log were lost: nobody read it");
}

const char *log_recent(size_t back)
{
	if (back >= LOG_RECENT || back >= log_state.written)
		return NULL;
	return log_state.lines[(log_state.written - 1 - back) % LOG_RECENT].brief;
}
