/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/series.h"

#include <errno.h>
#include <stdlib.h>

#include "sink/label.h"
#include "util/arena.h"
#include "util/names.h"
#include "util/share.h"

#define SLOTS_LEAST 256 /* a power of two */
#define NUMBER_SIZE 25	/* `{`, `} `, 20 digits and a point, the line's end */
#define BOUND_SIZE 24	/* `_bucket`, `,le="0.00025"` */

_Static_assert(sizeof(struct series_key) == 16, "a key is two words without padding");

struct metric {
	struct series *first, *last;
	uint64_t reserved; /* lines set aside for its series `other` */
	uint64_t dropped;
	int64_t away; /* gauge: what stands in `other` under keys that found no room */
};

/* What the series of one service come to. */
struct holding {
	uint64_t lines, bytes;
};

/*
 * How the bucket of a duration is found: `below[n]` bounds are below 2^n ns, and from one power to
 * the next there are at most `most` ones, which are compared.
 */
struct bounds {
	uint8_t most;
	uint8_t below[64];
	uint64_t ns[2 * CONFIG_BUCKETS]; /* no duration is above those that are none */
};

struct series_set {
	const struct series_metric *specs;
	size_t metric_count;
	struct config_buckets *buckets;
	struct bounds *bounds; /* of each of them */
	const struct identities *identities;
	struct arena arena;	     /* of the series */
	struct exemplars *exemplars; /* NULL: they have none */
	struct series **slots;	     /* open addressing, at most half full */
	size_t mask;
	size_t used;
	uint64_t limit, lines, bytes, reserved;
	struct holding holdings[IDENTITIES_LIMIT];
	struct metric metrics[];
};

static void bounds_init(struct bounds *bounds, const struct config_buckets *buckets)
{
	size_t at = 0;

	for (size_t n = 0; n < 64; n++) {
		bounds->below[n] = (uint8_t)at;
		while (at < buckets->count && buckets->bound_ns[at] >> n <= 1)
			at++;
		if (at - bounds->below[n] > bounds->most)
			bounds->most = (uint8_t)(at - bounds->below[n]);
	}
	for (size_t i = 0; i < 2 * CONFIG_BUCKETS; i++)
		bounds->ns[i] = i < buckets->count ? buckets->bound_ns[i] : UINT64_MAX;
}

int series_set_new(const struct series_metric *metrics, size_t metric_count,
		   const struct config_buckets *buckets, size_t bucket_count, uint64_t limit,
		   const struct identities *identities, struct series_set **ret)
{
	struct series_set *set = calloc(1, sizeof(*set) + metric_count * sizeof(struct metric));

	if (!set)
		return -ENOMEM;
	set->slots = memory_take_zeroed(MEMORY_TABLES, SLOTS_LEAST * sizeof(*set->slots));
	set->mask = SLOTS_LEAST - 1;
	set->buckets = calloc(bucket_count, sizeof(*buckets));
	set->bounds = calloc(bucket_count, sizeof(*set->bounds));
	if (!set->slots || !set->buckets || !set->bounds) {
		series_set_free(set);
		return -ENOMEM;
	}
	memcpy(set->buckets, buckets, bucket_count * sizeof(*buckets));
	for (size_t i = 0; i < bucket_count; i++)
		bounds_init(&set->bounds[i], &buckets[i]);
	set->specs = metrics;
	set->metric_count = metric_count;
	set->identities = identities;
	set->limit = limit;
	*ret = set;
	return 0;
}

void series_set_free(struct series_set *set)
{
	if (!set)
		return;
	exemplars_free(set->exemplars);
	arena_free(&set->arena);
	memory_give(MEMORY_TABLES, set->slots, (set->mask + 1) * sizeof(*set->slots));
	free(set->buckets);
	free(set->bounds);
	free(set);
}

void series_set_limit(struct series_set *set, uint64_t limit)
{
	set->limit = limit;
}

/* ---- finding ---- */

static bool equal_keys(const struct series_key *a, const struct series_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static uint64_t hash_key(const struct series_key *key)
{
	uint64_t words[2], hash;

	memcpy(words, key, sizeof(words));
	hash = words[0] * 0x9e3779b97f4a7c15ULL;
	hash = (hash ^ hash >> 32 ^ words[1]) * 0xd6e8feb86659fd93ULL;
	return hash ^ hash >> 32;
}

static struct series **find_slot(struct series **slots, size_t mask, const struct series_key *key)
{
	size_t i = hash_key(key) & mask;

	while (slots[i] && !equal_keys(&slots[i]->key, key))
		i = (i + 1) & mask;
	return &slots[i];
}

static struct series *find(struct series_set *set, const struct series_key *key)
{
	return *find_slot(set->slots, set->mask, key);
}

static bool make_room(struct series_set *set)
{
	size_t mask = set->mask * 2 + 1;
	struct series **slots;

	if (set->used * 2 < set->mask)
		return true;
	slots = memory_take_zeroed(MEMORY_TABLES, (mask + 1) * sizeof(*slots));
	if (!slots)
		return false;
	for (size_t i = 0; i <= set->mask; i++)
		if (set->slots[i])
			*find_slot(slots, mask, &set->slots[i]->key) = set->slots[i];
	memory_give(MEMORY_TABLES, set->slots, (set->mask + 1) * sizeof(*slots));
	set->slots = slots;
	set->mask = mask;
	return true;
}

/* ---- new series ---- */

/* Lines of one series: a histogram has a bucket beyond the last bound, sum and count. */
static uint64_t cost(const struct series_set *set, unsigned int metric)
{
	const struct series_metric *spec = &set->specs[metric];

	return spec->type == SERIES_HISTOGRAM ? set->buckets[spec->buckets].count + 3 : 1;
}

/* Bytes of these lines in a scrape, at most. */
static uint64_t size_of_lines(const struct series_set *set, const struct series_key *key,
			      size_t labels_size)
{
	const struct series_metric *spec = &set->specs[key->metric];
	uint64_t line = strlen(spec->name) + labels_size + NUMBER_SIZE;

	if (spec->type == SERIES_HISTOGRAM)
		line += BOUND_SIZE;
	return cost(set, key->metric) * line;
}

static struct holding *holding_of(struct series_set *set, const struct series_key *key)
{
	return &set->holdings[key->identity < IDENTITIES_LIMIT ? key->identity : IDENTITY_OTHER];
}

static bool has_room(struct series_set *set, const struct series_key *key)
{
	unsigned int metric = key->metric;
	uint64_t wanted = cost(set, metric), held = holding_of(set, key)->lines;
	uint64_t others = wanted * set->specs[metric].variants;
	uint64_t used = set->lines + set->reserved;
	struct metric *m = &set->metrics[metric];

	/* A gauge must find its way back: none is begun while some of it stands in `other`. */
	if (set->specs[metric].type == SERIES_GAUGE && m->away != 0)
		return false;
	if (m->first || m->reserved)
		return share_allows(held, wanted, used, set->limit);
	if (!share_allows(held, wanted, used + others, set->limit))
		return false;
	m->reserved = others;
	set->reserved += others;
	return true;
}

static struct series *create(struct series_set *set, enum memory_use use,
			     const struct series_key *key)
{
	const struct series_metric *spec = &set->specs[key->metric];
	struct metric *metric = &set->metrics[key->metric];
	size_t buckets = spec->type == SERIES_HISTOGRAM ? set->buckets[spec->buckets].count + 1 : 0;
	char labels[LABELS_SIZE];
	size_t labels_size =
		label_write(spec, key, identity_get(set->identities, key->identity), labels);
	struct holding *holding = holding_of(set, key);
	struct series *series;
	uint64_t bytes;
	char *text;

	bytes = size_of_lines(set, key, labels_size);
	if (use != MEMORY_FIXED &&
	    !share_allows(holding->bytes, bytes, set->bytes, set->limit * CONFIG_LINE_BYTES))
		return NULL;
	/* Without memory for a larger table the few `other` still find a place in the half left. */
	if (!make_room(set) && (use != MEMORY_FIXED || set->used >= set->mask))
		return NULL;
	series = arena_take(&set->arena, use,
			    sizeof(*series) + buckets * sizeof(series->buckets[0]) + labels_size);
	if (!series)
		return NULL;
	text = (char *)&series->buckets[buckets];
	memcpy(text, labels, labels_size);
	series->key = *key;
	series->labels = text;
	series->labels_size = (uint32_t)labels_size;
	series->exemplars = NULL;
	*find_slot(set->slots, set->mask, key) = series;
	set->used++;
	set->lines += cost(set, key->metric);
	set->bytes += bytes;
	holding->lines += cost(set, key->metric);
	holding->bytes += bytes;
	if (metric->last)
		metric->last->next = series;
	else
		metric->first = series;
	metric->last = series;
	return series;
}

static struct series *find_other(struct series_set *set, const struct series_key *key)
{
	const struct series_label *label = set->specs[key->metric].labels;
	struct metric *metric = &set->metrics[key->metric];
	struct series_key other = { .identity = IDENTITY_OTHER,
				    .metric = key->metric,
				    .choice = key->choice };
	struct series *series;

	for (size_t i = 0; i < SERIES_LABELS && label[i].name; i++) {
		if (label[i].source == LABEL_NAME)
			other.names[label[i].at] = NAME_OTHER;
		else if (label[i].source == LABEL_CODE)
			other.code = key->code == CODE_ABORTED ? CODE_ABORTED : CODE_OTHER;
	}
	series = find(set, &other);
	if (series)
		return series;
	series = create(set, MEMORY_FIXED, &other);
	if (series && metric->reserved) {
		metric->reserved -= cost(set, key->metric);
		set->reserved -= cost(set, key->metric);
	}
	return series;
}

/* NULL only without memory. *ret_away: the series stands for the key's own. */
static struct series *get(struct series_set *set, const struct series_key *key, bool *ret_away)
{
	struct series *series = find(set, key);

	*ret_away = false;
	if (series)
		return series;
	if (has_room(set, key))
		series = create(set, MEMORY_TABLES, key);
	if (series)
		return series;
	*ret_away = true;
	return find_other(set, key);
}

/* ---- values ---- */

bool series_add(struct series_set *set, const struct series_key *key, uint64_t n)
{
	bool away;
	struct series *series = get(set, key, &away);

	set->metrics[key->metric].dropped += away && n > 0;
	if (series)
		series->count += n;
	return away;
}

/* A key that stands in `other` stays there until none of the metric does: see has_room(). */
bool series_move(struct series_set *set, const struct series_key *key, int64_t delta)
{
	struct metric *metric = &set->metrics[key->metric];
	bool away;
	struct series *series = get(set, key, &away);

	metric->dropped += away && delta > 0;
	if (away)
		metric->away += delta;
	if (series)
		series->level += delta;
	return away;
}

/* Durations are as good as random: adding up all comparisons costs less than guessing a few. */
static size_t find_bucket(const struct series_set *set, unsigned int metric, uint64_t ns)
{
	const struct bounds *bounds = &set->bounds[set->specs[metric].buckets];
	size_t below = bounds->below[63 - __builtin_clzll(ns | 1)];
	size_t above = below;

	for (size_t i = 0; i < bounds->most; i++)
		above += ns > bounds->ns[below + i];
	return above;
}

void series_record(const struct series_set *set, struct series *series, uint64_t ns)
{
	series->count++;
	series->sum_ns += ns;
	series->buckets[find_bucket(set, series->key.metric, ns)]++;
}

struct series *series_find(struct series_set *set, const struct series_key *key)
{
	return find(set, key);
}

bool series_observe(struct series_set *set, const struct series_key *key, uint64_t ns)
{
	bool away;
	struct series *series = get(set, key, &away);

	set->metrics[key->metric].dropped += away;
	if (series)
		series_record(set, series, ns);
	return away;
}

void series_drop(struct series_set *set, unsigned int metric)
{
	set->metrics[metric].dropped++;
}

/* ---- exemplars ---- */

int series_exemplify(struct series_set *set, size_t limit)
{
	return exemplars_new(limit, &set->exemplars);
}

void series_exemplar(struct series_set *set, struct series *series, const struct exemplar *what)
{
	size_t bucket = find_bucket(set, series->key.metric, what->duration);

	if (set->exemplars)
		exemplars_put(set->exemplars, series, (unsigned int)bucket, what);
}

void series_tick(struct series_set *set, uint64_t now)
{
	if (set->exemplars)
		exemplars_expire(set->exemplars, now);
}

size_t series_exemplars(const struct series_set *set)
{
	return set->exemplars ? exemplars_count(set->exemplars) : 0;
}

/* ---- reading ---- */

size_t series_metric_count(const struct series_set *set)
{
	return set->metric_count;
}

const struct series_metric *series_metric(const struct series_set *set, unsigned int metric)
{
	return &set->specs[metric];
}

const struct config_buckets *series_buckets(const struct series_set *set, unsigned int metric)
{
	return &set->buckets[set->specs[metric].buckets];
}

const struct series *series_first(const struct series_set *set, unsigned int metric)
{
	return set->metrics[metric].first;
}

uint64_t series_lines(const struct series_set *set)
{
	return set->lines;
}

uint64_t series_bytes(const struct series_set *set)
{
	return set->bytes;
}

uint64_t series_dropped(const struct series_set *set, unsigned int metric)
{
	return set->metrics[metric].dropped;
}
