/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What pub/sub sends unasked, or several times for one request: messages and confirmations
 * (redis.io/docs/develop/interact/pubsub, "Format of pushed messages").
 */
#include "proto/redis_state.h"

#define HEAD_MAX 12 /* "punsubscribe" */

static const struct {
	const char *name;
	int kind;
	int64_t elements;
} heads[] = {
	{ "message", REDIS_MESSAGE, 3 },	   { "pmessage", REDIS_MESSAGE, 4 },
	{ "smessage", REDIS_MESSAGE, 3 },	   { "subscribe", REDIS_SUBSCRIBE, 3 },
	{ "psubscribe", REDIS_PSUBSCRIBE, 3 },	   { "ssubscribe", REDIS_SSUBSCRIBE, 3 },
	{ "unsubscribe", REDIS_UNSUBSCRIBE, 3 },   { "punsubscribe", REDIS_PUNSUBSCRIBE, 3 },
	{ "sunsubscribe", REDIS_SUNSUBSCRIBE, 3 },
};

int redis_pubsub_peek(struct bytes in)
{
	int64_t elements = 0;
	int64_t length = 0;
	size_t used = 0;
	int found = resp_length(bytes_skip(in, 1), &used, &elements);

	if (found <= 0 || elements < 3 || elements > 4)
		return found ? REDIS_PLAIN : -1;
	in = bytes_skip(in, used + 1);
	if (!in.size)
		return -1;
	found = in.data[0] == '$' ? resp_length(bytes_skip(in, 1), &used, &length) : 1;
	if (found <= 0 || length <= 0 || length > HEAD_MAX)
		return found ? REDIS_PLAIN : -1;
	in = bytes_skip(in, used + 1);
	if (in.size < (size_t)length)
		return -1;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		if (heads[i].elements == elements && strlen(heads[i].name) == (size_t)length &&
		    memcmp(heads[i].name, in.data, length) == 0)
			return heads[i].kind;
	}
	return REDIS_PLAIN;
}

static bool sharded(uint8_t kind)
{
	return kind == REDIS_SSUBSCRIBE || kind == REDIS_SUNSUBSCRIBE;
}

/* How many of that kind there are: each is confirmed by an UNSUBSCRIBE without arguments. */
static int64_t *count_of(struct redis_subscriptions *subscriptions, uint8_t kind)
{
	if (sharded(kind))
		return &subscriptions->shards;
	if (kind == REDIS_SUBSCRIBE || kind == REDIS_UNSUBSCRIBE)
		return &subscriptions->channels;
	return &subscriptions->patterns;
}

void redis_pubsub_confirm(struct redis_subscriptions *subscriptions, uint8_t kind, int64_t count)
{
	int64_t *own = count_of(subscriptions, kind);

	if (count < 0 || count > INT32_MAX)
		count = 0;
	if (sharded(kind)) {
		subscriptions->shards = count;
		return;
	}
	/* The server tells the sum of both kinds. */
	*own += count - subscriptions->total;
	if (*own < 0 || *own > count)
		*own = count;
	subscriptions->total = count;
	if (!count) {
		subscriptions->channels = subscriptions->patterns = 0;
		subscriptions->uncertain = false;
	}
}

bool redis_pubsub_complete(const struct redis_subscriptions *subscriptions, uint8_t kind, bool null)
{
	struct redis_subscriptions copy = *subscriptions;

	if (null || (sharded(kind) && !copy.shards) || (!sharded(kind) && !copy.total))
		return true;
	return !copy.uncertain && !*count_of(&copy, kind);
}

uint64_t redis_pubsub_values(const struct redis_subscriptions *subscriptions, uint64_t tag)
{
	struct redis_subscriptions copy = *subscriptions;
	int64_t count = REDIS_TAG_ARGUMENTS(tag);

	if (!count)
		count = *count_of(&copy, REDIS_TAG_KIND(tag));
	return count > 0 ? count : 1;
}
