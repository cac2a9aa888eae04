/* SPDX-License-Identifier: Apache-2.0 */
#include "export/table.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/utf8.h"

#define KEY_SIZE 256
#define FRAME_SIZE (64 * 1024)
#define FIXED_WIDTH 67 /* of the columns after the service's name */
#define NAME_LEAST 12
#define NAME_MOST 48

/* ECMA-48 and xterm; CAN ends a sequence that a lost frame left half written. */
#define SCREEN_ENTER "\033[?1049h\033[?25l"
#define SCREEN_LEAVE "\030\033[0m\033[?25h\033[?1049l"
#define FRAME_BEGIN "\030\033[H"
#define LINE_END "\033[K\r\n"
#define FRAME_END "\033[J"
#define BOLD "\033[1m"
#define RED "\033[31m"
#define PLAIN "\033[0m"

/* A row's totals at the last draw, and what became of them since. */
struct kept {
	char key[KEY_SIZE];
	uint64_t count, errors;
	uint64_t buckets[TABLE_BUCKETS];
	uint64_t drawn; /* number of the draw that last had this row */
	bool fresh;	/* not in the draw before: no interval yet */
	double rate, error_rate, p50, p95, p99;
};

/* A row to show. */
struct view {
	const struct table_row *row;
	const struct kept *kept;
};

struct table {
	int fd;
	uint64_t last; /* time of the last draw, 0: none */
	uint64_t draws;
	struct kept *kept[TABLE_ROWS];
	size_t kept_n;
	struct view views[TABLE_ROWS];
	size_t views_n;
	size_t used;
	char frame[FRAME_SIZE];
};

double table_quantile(const uint64_t *buckets, const uint64_t *bounds_ns, size_t buckets_n,
		      double q)
{
	double total = 0, below = 0;
	size_t i;

	for (i = 0; i < buckets_n; i++)
		total += (double)buckets[i];
	if (total <= 0 || buckets_n < 2)
		return NAN;
	for (i = 0; i + 1 < buckets_n; i++) {
		double low = i ? (double)bounds_ns[i - 1] : 0;
		double here = (double)buckets[i];

		if (here > 0 && below + here >= q * total)
			return (low + ((double)bounds_ns[i] - low) * (q * total - below) / here) /
			       1e9;
		below += here;
	}
	return (double)bounds_ns[buckets_n - 2] / 1e9;
}

/* ---- totals become rates ---- */

static struct kept *find_kept(struct table *table, const struct table_row *row)
{
	char key[KEY_SIZE];
	struct kept *kept;
	size_t i, oldest = 0;

	snprintf(key, sizeof(key), "%s\n%s\n%s", row->protocol, row->role, row->service);
	for (i = 0; i < table->kept_n; i++) {
		if (strcmp(table->kept[i]->key, key) == 0)
			return table->kept[i];
		if (table->kept[i]->drawn < table->kept[oldest]->drawn)
			oldest = i;
	}
	if (table->kept_n < TABLE_ROWS) {
		kept = malloc(sizeof(*kept));
		if (!kept)
			return NULL;
		table->kept[table->kept_n++] = kept;
	} else {
		kept = table->kept[oldest];
		if (kept->drawn == table->draws)
			return NULL;
	}
	memset(kept, 0, sizeof(*kept));
	memcpy(kept->key, key, sizeof(key));
	return kept;
}

/* A total that fell began anew. */
static uint64_t since(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

static void keep_row(struct table *table, struct kept *kept, const struct table_row *row,
		     double seconds)
{
	uint64_t delta[TABLE_BUCKETS] = { 0 };
	size_t n = row->buckets_n < TABLE_BUCKETS ? row->buckets_n : TABLE_BUCKETS;
	size_t i;

	/* Of a row not there a draw ago, all has happened since, unless this is the first draw. */
	kept->fresh = seconds <= 0;
	for (i = 0; i < n; i++) {
		delta[i] = since(row->buckets[i], kept->buckets[i]);
		kept->buckets[i] = row->buckets[i];
	}
	if (!kept->fresh) {
		kept->rate = (double)since(row->count, kept->count) / seconds;
		kept->error_rate = (double)since(row->errors, kept->errors) / seconds;
		kept->p50 = table_quantile(delta, row->bounds_ns, n, 0.50);
		kept->p95 = table_quantile(delta, row->bounds_ns, n, 0.95);
		kept->p99 = table_quantile(delta, row->bounds_ns, n, 0.99);
	}
	kept->count = row->count;
	kept->errors = row->errors;
	kept->drawn = table->draws;
}

static void take_rows(struct table *table, const struct table_row *rows, size_t rows_n,
		      double seconds)
{
	size_t i;

	table->views_n = 0;
	for (i = 0; i < rows_n && table->views_n < TABLE_ROWS; i++) {
		struct kept *kept = find_kept(table, &rows[i]);

		if (!kept)
			continue;
		keep_row(table, kept, &rows[i], seconds);
		table->views[table->views_n++] = (struct view){ &rows[i], kept };
	}
}

/* ---- order ---- */

static int by_traffic(const void *a, const void *b)
{
	const struct table_row *left = ((const struct view *)a)->row;
	const struct table_row *right = ((const struct view *)b)->row;

	return (left->count < right->count) - (left->count > right->count);
}

static int by_name(const void *a, const void *b)
{
	const struct table_row *left = ((const struct view *)a)->row;
	const struct table_row *right = ((const struct view *)b)->row;
	int order = strcmp(left->service, right->service);

	if (!order)
		order = strcmp(left->protocol, right->protocol);
	return order ? order : -strcmp(left->role, right->role);
}

/* Where not all fit, those with the most traffic do; on the screen they keep their places. */
static size_t choose_views(struct table *table, size_t room)
{
	if (table->views_n > room) {
		qsort(table->views, table->views_n, sizeof(table->views[0]), by_traffic);
	} else {
		room = table->views_n;
	}
	qsort(table->views, room, sizeof(table->views[0]), by_name);
	return room;
}

/* ---- the frame ---- */

static void put(struct table *table, const char *text)
{
	size_t size = strlen(text);

	if (size > sizeof(table->frame) - table->used)
		return;
	memcpy(table->frame + table->used, text, size);
	table->used += size;
}

/*
 * A text in exactly `width` columns (fill) or at most as many. Control characters become '?';
 * other characters count as one column each, so that wide ones may be cut late, never early.
 */
static void put_cell(struct table *table, const char *text, size_t width, bool fill)
{
	struct bytes in = { (const uint8_t *)text, strlen(text) };
	size_t columns = 0, size;
	char one[8];

	for (; in.size > 0 && columns < width; columns++) {
		uint32_t code = utf8_read(in, &size);

		if (code == UTF8_INVALID || utf8_is_control(code))
			snprintf(one, sizeof(one), "?");
		else
			snprintf(one, sizeof(one), "%.*s", (int)size, (const char *)in.data);
		put(table, one);
		in = bytes_skip(in, size);
	}
	for (; fill && columns < width; columns++)
		put(table, " ");
}

static void format_rate(double value, char *ret, size_t size)
{
	if (value >= 999999.5)
		snprintf(ret, size, "%.2fM", value / 1e6);
	else if (value >= 99.95)
		snprintf(ret, size, "%.0f", value);
	else
		snprintf(ret, size, "%.1f", value);
}

static void format_duration(double seconds, char *ret, size_t size)
{
	if (isnan(seconds))
		snprintf(ret, size, "-");
	else if (seconds >= 0.9995)
		snprintf(ret, size, "%.2fs", seconds);
	else if (seconds >= 0.0009995)
		snprintf(ret, size, "%.*fms", seconds >= 0.0995 ? 0 : 1, seconds * 1e3);
	else
		snprintf(ret, size, "%.0fus", seconds * 1e6);
}

/* The columns after the name are FIXED_WIDTH wide; a narrow window shows those that fit. */
static void put_line(struct table *table, const char *name, size_t name_width, const char *columns,
		     size_t width, const char *style)
{
	put(table, style);
	put_cell(table, name, name_width < width ? name_width : width, true);
	if (width > name_width)
		put_cell(table, columns, width - name_width, false);
	put(table, PLAIN LINE_END);
}

static void put_row(struct table *table, const struct view *view, size_t name_width, size_t width)
{
	const struct kept *kept = view->kept;
	char rate[16] = "-", errors[16] = "-", p50[16] = "-", p95[16] = "-", p99[16] = "-";
	char columns[256];

	if (!kept->fresh) {
		format_rate(kept->rate, rate, sizeof(rate));
		format_rate(kept->error_rate, errors, sizeof(errors));
		format_duration(kept->p50, p50, sizeof(p50));
		format_duration(kept->p95, p95, sizeof(p95));
		format_duration(kept->p99, p99, sizeof(p99));
	}
	snprintf(columns, sizeof(columns), "  %-10.10s %-6.6s %8s %7s %7s %7s %7s %6llu",
		 view->row->protocol, view->row->role, rate, errors, p50, p95, p99,
		 (unsigned long long)view->row->connections);
	put_line(table, view->row->service, name_width, columns, width,
		 !kept->fresh && kept->error_rate > 0 ? RED : "");
}

static void put_frame(struct table *table, const char *title, const char *const *notes,
		      size_t notes_n, size_t width, size_t height)
{
	size_t name_width = width > FIXED_WIDTH + NAME_LEAST ? width - FIXED_WIDTH : NAME_LEAST;
	size_t notes_room = height > 10 ? (height - 4) / 3 : 0;
	size_t room, shown, i;
	char columns[256];

	if (name_width > NAME_MOST)
		name_width = NAME_MOST;
	if (notes_n > notes_room) {
		notes += notes_n - notes_room;
		notes_n = notes_room;
	}
	/* Title, empty line, heads, the line of what is left out; the last line stays empty. */
	room = height > notes_n + 6 ? height - notes_n - 6 : 1;
	shown = choose_views(table, room);
	table->used = 0;
	put(table, FRAME_BEGIN);
	put_line(table, title, width, "", width, "");
	put(table, LINE_END);
	snprintf(columns, sizeof(columns), "  %-10s %-6s %8s %7s %7s %7s %7s %6s", "PROTOCOL",
		 "SIDE", "RATE/s", "ERR/s", "P50", "P95", "P99", "CONNS");
	put_line(table, "SERVICE", name_width, columns, width, BOLD);
	for (i = 0; i < shown; i++)
		put_row(table, &table->views[i], name_width, width);
	if (table->views_n == 0)
		put_line(table, "(no traffic seen yet)", width, "", width, "");
	if (shown < table->views_n) {
		snprintf(columns, sizeof(columns), "(and %zu with less traffic)",
			 table->views_n - shown);
		put_line(table, columns, width, "", width, "");
	}
	if (notes_n > 0)
		put(table, LINE_END);
	for (i = 0; i < notes_n; i++)
		put_line(table, notes[i], width, "", width, "");
	put(table, FRAME_END);
}

/* ---- the terminal ---- */

int table_open(int fd, struct table **ret)
{
	struct table *table;
	char path[32];

	if (!isatty(fd))
		return -ENOTTY;
	table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	/* Opened anew: not blocking must be our own affair, not the shell's on the same terminal.
	 */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	table->fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (table->fd < 0) {
		int err = -errno;

		free(table);
		return err;
	}
	put(table, SCREEN_ENTER);
	if (write(table->fd, table->frame, table->used) < 0)
		table->used = 0; /* stopped: the next frame will tell */
	*ret = table;
	return 0;
}

void table_draw(struct table *table, const char *title, const struct table_row *rows, size_t rows_n,
		const char *const *notes, size_t notes_n, uint64_t now)
{
	struct winsize window = { 0 };
	double seconds = table->last ? (double)(now - table->last) / (double)NSEC_PER_SEC : 0;

	if (ioctl(table->fd, TIOCGWINSZ, &window) < 0 || window.ws_col == 0 || window.ws_row == 0)
		window = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	table->draws++;
	take_rows(table, rows, rows_n, seconds);
	put_frame(table, title, notes, notes_n, window.ws_col, window.ws_row);
	if (write(table->fd, table->frame, table->used) < 0)
		table->used = 0; /* stopped: the next frame tells more */
	table->last = now;
}

void table_close(struct table *table)
{
	struct pollfd room = { .fd = table ? table->fd : -1, .events = POLLOUT };
	size_t i;

	if (!table)
		return;
	poll(&room, 1, 200);
	if (write(table->fd, SCREEN_LEAVE, sizeof(SCREEN_LEAVE) - 1) < 0)
		table->used = 0; /* nobody there to see it */
	close(table->fd);
	for (i = 0; i < table->kept_n; i++)
		free(table->kept[i]);
	free(table);
}
