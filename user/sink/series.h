/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded storage of series. A series is found by a key of small integers; its labels are written
 * out once, when it is new. Every line that a scrape would show counts towards the limit, a
 * histogram as its buckets, sum and count; so do its bytes, CONFIG_LINE_BYTES for each line.
 *
 *	key known         -> the series
 *	new, room left    -> a new series
 *	new, no room left -> the metric's series `other`, and one more dropped
 *
 * Room is left to a service while what it has is not more than what nobody has: util/share.h.
 *
 * Room for its series `other` is set aside when a metric gets its first series; only a metric that
 * begins when even that is gone exceeds the limit, by its series `other`. Series are never removed.
 */
#ifndef ONLOOKER_SERIES_H
#define ONLOOKER_SERIES_H

#include "capture/identity.h"
#include "config.h"
#include "sink/exemplars.h"

#define SERIES_LABELS 4 /* beside the identity's */
#define SERIES_NAMES 3

#define CODE_ABORTED 0xfffe
#define CODE_OTHER 0xffff

enum series_type {
	SERIES_COUNTER,
	SERIES_GAUGE,
	SERIES_HISTOGRAM,
};

/* Where a label's value comes from. */
enum label_source {
	LABEL_NAME,   /* key.names[at] */
	LABEL_CODE,   /* key.code: a number, "aborted" or "other"; "unknown" for 0 */
	LABEL_CHOICE, /* choices[key.choice] */
};

struct series_label {
	const char *name; /* NULL ends the list */
	enum label_source source;
	unsigned int at;
	const char *const *choices;
};

/* What is known of a metric beforehand; lives as long as the set. */
struct series_metric {
	const char *name; /* of a counter: with _total */
	const char *help;
	enum series_type type;
	unsigned int variants; /* values of key.choice that occur, which `other` keeps apart */
	unsigned int buckets;  /* histogram: which of the set's */
	struct series_label labels[SERIES_LABELS];
};

/* Zeroed where unused: keys are compared as bytes. */
struct series_key {
	uint32_t identity;
	uint8_t metric; /* index in the set's metrics */
	uint8_t choice;
	uint16_t code;
	uint16_t names[SERIES_NAMES];
	uint16_t zero;
};

struct series {
	struct series_key key;
	struct series *next; /* the metric's next, in the order they came */
	const char *labels;  /* `service="a",...`, escaped as the text formats want it */
	uint32_t labels_size;
	union {
		uint64_t count; /* a counter's value, a histogram's number of observations */
		int64_t level;	/* a gauge's value */
	};
	uint64_t sum_ns;	    /* histogram */
	struct exemplar *exemplars; /* histogram: by bucket, of those that have one */
	uint64_t buckets[];	    /* histogram: each for itself; the last beyond the last bound */
};

struct series_set;

/*
 * A set for these metrics (at most 256), with the histogram bounds of `buckets` (copied) and room
 * for `limit` lines. 0 or -ENOMEM; series_set_free() ends it. `identities` must outlive it.
 */
int series_set_new(const struct series_metric *metrics, size_t metric_count,
		   const struct config_buckets *buckets, size_t bucket_count, uint64_t limit,
		   const struct identities *identities, struct series_set **ret);
void series_set_free(struct series_set *set);

/* Takes another limit from now on; what exists stays. */
void series_set_limit(struct series_set *set, uint64_t limit);

/*
 * Adds to a counter; 0 makes the series known. A hash look-up. True, as the next two: the series
 * `other` stands for the key's, which is counted as dropped already.
 */
bool series_add(struct series_set *set, const struct series_key *key, uint64_t n);

/*
 * Moves a gauge. What was added under a key is subtracted from the same series, also when the
 * limit changes between.
 */
bool series_move(struct series_set *set, const struct series_key *key, int64_t delta);

/* Puts a duration into a histogram. */
bool series_observe(struct series_set *set, const struct series_key *key, uint64_t ns);

/*
 * The series of a key, or NULL while it has none of its own. It stays where it is as long as the
 * set, and may be counted in directly.
 */
struct series *series_find(struct series_set *set, const struct series_key *key);

/* As series_add() and series_observe(), without a look-up. */
static inline void series_count(struct series *series, uint64_t n)
{
	series->count += n;
}
void series_record(const struct series_set *set, struct series *series, uint64_t ns);

/* From now on histograms may have exemplars, `limit` in all. 0 or -ENOMEM. */
int series_exemplify(struct series_set *set, size_t limit);

/* Shows, in the histogram and bucket that have it, whose observation this was: exemplars.h. */
void series_exemplar(struct series_set *set, struct series *series, const struct exemplar *what);

/* Forgets old ones at `now`, CLOCK_MONOTONIC ns. */
void series_tick(struct series_set *set, uint64_t now);

/* Counts one value that lost a label to another bound than the set's. */
void series_drop(struct series_set *set, unsigned int metric);

/* What a scrape reads. */
size_t series_metric_count(const struct series_set *set);
const struct series_metric *series_metric(const struct series_set *set, unsigned int metric);
const struct config_buckets *series_buckets(const struct series_set *set, unsigned int metric);
const struct series *series_first(const struct series_set *set, unsigned int metric);

/* How many lines a scrape shows, in how many bytes at most; the values a metric lost to bounds. */
uint64_t series_lines(const struct series_set *set);
uint64_t series_bytes(const struct series_set *set);
uint64_t series_dropped(const struct series_set *set, unsigned int metric);

/* How many exemplars the series have. */
size_t series_exemplars(const struct series_set *set);

#endif
