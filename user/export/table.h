/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live table: what is going on, redrawn each second on a terminal of its own (the alternate
 * screen). Knows nothing of where its rows come from.
 */
#ifndef ONLOOKER_TABLE_H
#define ONLOOKER_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define TABLE_ROWS 512	 /* rows that rates are kept for; of more, the first ones */
#define TABLE_BUCKETS 41 /* CONFIG_BUCKETS and the one beyond the last bound */

/* Totals since the start. Texts and arrays are the caller's, read during the call only. */
struct table_row {
	const char *service, *protocol, *role;
	uint64_t count, errors;
	/*
	 * buckets[i] counts the durations up to bounds_ns[i] and above the bound before; the last
	 * of the buckets_n has no bound: bounds_ns has buckets_n - 1. buckets_n <= TABLE_BUCKETS.
	 */
	const uint64_t *buckets;
	const uint64_t *bounds_ns;
	size_t buckets_n;
	uint64_t connections; /* open now */
};

struct table;

/*
 * Takes over the terminal that `fd` is: alternate screen, no cursor. -ENOTTY where it is none.
 * table_close() gives it back; call it at every regular exit.
 */
int table_open(int fd, struct table **ret);

/*
 * Draws the rows: rates and quantiles of the time since the last draw, in a frame that fits the
 * window. `title` is the first line; notes[0..notes_n) are lines shown at the bottom, the oldest
 * first, as far as there is room. `now` is CLOCK_MONOTONIC ns. A terminal that accepts nothing
 * (stopped with Ctrl-S) loses the frame: never blocks.
 */
void table_draw(struct table *table, const char *title, const struct table_row *rows, size_t rows_n,
		const char *const *notes, size_t notes_n, uint64_t now);

/* Restores the terminal and frees; NULL is fine. */
void table_close(struct table *table);

/*
 * The q-quantile (0..1) of the durations counted in `buckets`, in seconds, by linear interpolation
 * within a bucket; the last bound where it lies beyond; NaN where there are none.
 */
double table_quantile(const uint64_t *buckets, const uint64_t *bounds_ns, size_t buckets_n,
		      double q);

#endif
