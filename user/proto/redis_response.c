/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What servers send: answers in the order of the requests, and between them what belongs to none.
 *
 *	                        +-- a message, a push, a monitor's line ----> NOBODY ---+
 *	UNKNOWN -- first bytes -+-- subscribed, unsubscribed ---------------> CONFIRM --+-> UNKNOWN
 *	   ^  |                 +-- EXEC is the oldest waiting -------------> EXEC -----+
 *	   |  |                 +-- another ---------------------------------> ANSWER --+
 *	   |  +-- none waits ---> WAIT, later NOBODY
 *	   +-- the replication stream begins (SYNC, PSYNC): silent for ever
 *
 * Transactions: redis.io/docs/interact/transactions.
 */
#include "proto/redis_state.h"

/* ---- the end of an answer ---- */

static void forget_value(struct redis_response *response)
{
	response->subject = SUBJECT_UNKNOWN;
	response->base = 0;
	response->reader = REDIS_READS_NONE;
	response->failed = response->null = response->queued = response->follows = false;
	response->unknown = false;
	response->hits = response->misses = 0;
}

static void fill(const struct redis_response *response, uint8_t action, struct message *out)
{
	out->role = MESSAGE_RESPONSE;
	out->action = action;
	out->failed = response->failed;
	if (!response->failed && response->reader) {
		out->hits = response->hits;
		out->misses = response->misses;
	}
}

/* What an answer changes for those that follow. Returns the action besides COUNT|POP. */
static uint8_t learn(struct redis_response *response, uint8_t kind)
{
	bool dropped = response->deferred != 0;

	switch (kind) {
	case REDIS_MULTI:
		/* One inside another is refused and changes nothing. */
		if (response->failed)
			return 0;
		response->multi = CERTAINLY;
		break;
	case REDIS_RESET:
		if (response->failed)
			return 0;
		response->subscriptions = (struct redis_subscriptions){ 0 };
		response->monitor = false;
		response->multi = CERTAINLY_NOT;
		break;
	case REDIS_DISCARD:
	case REDIS_EXEC:
		/* Whatever the answer, there is no transaction any more. */
		response->multi = CERTAINLY_NOT;
		break;
	case REDIS_MONITOR:
		response->monitor |= !response->failed;
		return 0;
	case REDIS_PSYNC:
		response->silent = response->follows;
		return 0;
	case REDIS_QUIT:
		return response->failed ? 0 : MESSAGE_LAST;
	default:
		return 0;
	}
	response->deferred = 0;
	return dropped ? MESSAGE_DROP_DEFERRED : 0;
}

static enum parse_status finish_answer(struct redis *redis, uint64_t tag, struct message *out)
{
	struct redis_response *response = &redis->response;
	bool multi = response->multi != CERTAINLY_NOT || redis->request.multi_hidden;
	uint8_t kind = REDIS_TAG_KIND(tag);

	if (response->queued && multi && kind != REDIS_MULTI && kind != REDIS_EXEC &&
	    kind != REDIS_DISCARD) {
		out->role = MESSAGE_RESPONSE;
		out->action = MESSAGE_DEFER;
		response->deferred++;
	} else {
		fill(response, MESSAGE_COUNT | MESSAGE_POP, out);
		out->action |= learn(response, kind);
		/* Nobody knows what it is: perhaps a password that was typed too soon. */
		if (response->unknown && REDIS_TAG_FOREIGN(tag))
			out->operation = redis_command_find((struct bytes){ 0 })->name;
	}
	response->confirmed = 0;
	forget_value(response);
	return PARSE_MESSAGE;
}

static enum parse_status finish_confirm(struct redis_response *response,
					const struct expect *expect, struct message *out)
{
	uint8_t kind = response->confirmation;
	uint32_t arguments = REDIS_TAG_ARGUMENTS(expect->tag);
	bool null = response->null;
	bool last;

	redis_pubsub_confirm(&response->subscriptions, kind, response->number);
	forget_value(response);
	if (!expect->waiting || REDIS_TAG_KIND(expect->tag) != kind)
		return PARSE_SKIP;
	response->confirmed++;
	last = arguments ? response->confirmed >= arguments :
			   redis_pubsub_complete(&response->subscriptions, kind, null);
	out->role = MESSAGE_RESPONSE;
	out->action = (expect->counted ? 0 : MESSAGE_COUNT) | (last ? MESSAGE_POP : 0);
	if (last)
		response->confirmed = 0;
	return out->action ? PARSE_MESSAGE : PARSE_SKIP;
}

/* ---- EXEC: one element after the other ---- */

static void begin_exec(struct redis_response *response, const struct resp_item *item)
{
	uint64_t elements = item->number;

	response->base = 1;
	/* The last ones are those whose requests were seen. */
	response->strangers = 0;
	if (item->number != RESP_STREAMED && elements > response->deferred)
		response->strangers = elements - response->deferred;
	response->begun = false;
}

static void begin_element(struct redis_response *response, const struct expect *expect)
{
	bool known = !response->strangers && expect->deferred;
	uint64_t tag = known ? expect->deferred_tag : 0;

	response->begun = true;
	response->reader = REDIS_TAG_READER(tag);
	response->confirmation = REDIS_TAG_KIND(tag);
	response->failed = response->null = false;
	response->hits = response->misses = 0;
	response->repeat = 0;
	response->resp.solid_push = redis_kind_subscribes(response->confirmation);
	/* EXEC announces it as one element, whatever the number of channels. */
	if (response->resp.solid_push && response->resp.level[0] <= UINT32_MAX) {
		response->repeat = redis_pubsub_values(&response->subscriptions, tag) - 1;
		response->resp.level[0] += response->repeat;
	}
}

/* False: nothing to report yet. */
static bool finish_element(struct redis_response *response, const struct expect *expect,
			   struct message *out)
{
	if (response->resp.solid_push && !response->failed) {
		redis_pubsub_confirm(&response->subscriptions, response->confirmation,
				     response->number);
		response->subscriptions.arrays = response->type == '*';
	}
	if (response->repeat) {
		response->repeat--;
		return false;
	}
	response->begun = false;
	response->resp.solid_push = false;
	if (response->strangers) {
		response->strangers--;
		return false;
	}
	if (!expect->deferred || !response->deferred)
		return false;
	fill(response, MESSAGE_COUNT | MESSAGE_POP | MESSAGE_DEFERRED, out);
	response->deferred--;
	return true;
}

static enum parse_status finish_exec(struct redis *redis, struct message *out)
{
	struct redis_response *response = &redis->response;

	redis->request.multi_hidden &= redis->request.multi;
	response->exec_done = false;
	response->begun = false;
	response->resp.solid_push = false;
	response->reader = REDIS_READS_NONE;
	if (response->base)
		response->failed = false;
	fill(response, MESSAGE_COUNT | MESSAGE_POP, out);
	out->action |= learn(response, REDIS_EXEC);
	forget_value(response);
	return PARSE_MESSAGE;
}

/* ---- items ---- */

static bool text_begins(const struct resp_item *item, const char *word)
{
	size_t size = strlen(word);

	return item->text.size >= size && memcmp(item->text.data, word, size) == 0;
}

static void note_value(struct redis_response *response, const struct resp_item *item)
{
	response->type = item->type;
	response->failed = item->type == '-' || item->type == '!';
	response->queued = item->type == '+' && item->text.size == 6 && text_begins(item, "QUEUED");
	response->unknown = item->type == '-' && text_begins(item, "ERR unknown command");
	response->follows = item->type == '+' &&
			    (text_begins(item, "FULLRESYNC") || text_begins(item, "CONTINUE"));
	if (response->reader == REDIS_READS_VALUE && !response->failed) {
		response->hits = !item->null;
		response->misses = item->null;
	}
}

static void note(struct redis_response *response, const struct resp_item *item)
{
	if (item->aside || item->type == '.')
		return;
	if (item->depth == response->base) {
		note_value(response, item);
	} else if (item->depth == response->base + 1) {
		if (item->type == ':')
			response->number = item->number;
		response->null |= item->null;
		if (response->reader == REDIS_READS_EACH && item->null)
			response->misses++;
		else if (response->reader == REDIS_READS_EACH && item->type != '-')
			response->hits++;
	}
}

/* Notes the item; whether there is a message (*status) to return now. */
static bool take_item(struct redis *redis, const struct resp_item *item,
		      const struct expect *expect, struct message *out, enum parse_status *status)
{
	struct redis_response *response = &redis->response;

	note(response, item);
	if (response->subject == SUBJECT_EXEC && !response->base) {
		if (!item->depth && !item->aside && item->closed) {
			begin_exec(response, item);
			return false;
		}
		if (item->closed)
			return false;
		*status = finish_exec(redis, out);
		return true;
	}
	if (response->base) {
		bool element = item->closed <= 1 && item->depth >= 1;
		bool reported = element && finish_element(response, expect, out);

		response->exec_done = !item->closed;
		*status = PARSE_MESSAGE;
		if (!reported && response->exec_done)
			*status = finish_exec(redis, out);
		return reported || !response->subject;
	}
	if (item->closed)
		return false;
	*status = PARSE_SKIP;
	if (response->subject == SUBJECT_ANSWER)
		*status = finish_answer(redis, expect->tag, out);
	else if (response->subject == SUBJECT_CONFIRM)
		*status = finish_confirm(response, expect, out);
	else
		forget_value(response);
	return true;
}

/* ---- the begin of an answer ---- */

/* Decides whom an array or push of pub/sub is for; PARSE_MESSAGE: the value is an answer. */
static enum parse_status choose_pubsub(struct redis *redis, struct bytes in,
				       const struct expect *expect)
{
	struct redis_response *response = &redis->response;
	struct redis_subscriptions *subscriptions = &response->subscriptions;
	uint8_t kind = REDIS_TAG_KIND(expect->tag);
	bool push = in.data[0] == '>';
	bool active = redis_pubsub_active(subscriptions);
	bool awaited = expect->waiting && redis_kind_subscribes(kind);
	int told;

	if (!push && !active && !awaited && expect->waiting &&
	    !(subscriptions->uncertain && kind == REDIS_PING))
		return PARSE_MESSAGE;
	told = redis_pubsub_peek(in);
	if (told < 0)
		return PARSE_NEED_MORE;
	if (told == REDIS_PLAIN && !push)
		return PARSE_MESSAGE;
	if (told == REDIS_MESSAGE && !push && !active) {
		/* Not the answer to what waits; else of a subscription older than we are. */
		if (!awaited && !(subscriptions->uncertain && (expect->waiting || expect->late)))
			return PARSE_MESSAGE;
		if (subscriptions->uncertain) {
			subscriptions->arrays = true;
			subscriptions->total = 1;
		}
	}
	if (told == REDIS_MESSAGE || told == REDIS_PLAIN) {
		response->subject = SUBJECT_NOBODY;
		return PARSE_SKIP;
	}
	/* Perhaps its request was not seen yet; a server may also unsubscribe on its own. */
	if (!expect->waiting && !expect->late && !redis->request.off)
		return PARSE_WAIT;
	if (kind != told && ((awaited && expect->counted) || (!push && !active && expect->waiting)))
		return PARSE_MESSAGE;
	response->subject = SUBJECT_CONFIRM;
	response->confirmation = told;
	subscriptions->arrays = !push;
	return PARSE_SKIP;
}

/* A replica's master: line ends that keep the connection alive, then SYNC's stream. */
static enum parse_status choose_sync(struct redis_response *response, struct bytes in, size_t *used,
				     struct message *out)
{
	if (in.data[0] == '\n') {
		*used = 1;
		return PARSE_SKIP;
	}
	if (in.data[0] != '$')
		return PARSE_PART;
	response->silent = true;
	*used = REDIS_FOREVER;
	fill(response, MESSAGE_COUNT | MESSAGE_POP, out);
	return PARSE_MESSAGE;
}

/* Sets the subject of the value that begins here. PARSE_PART: it is set; else what to return. */
static enum parse_status choose(struct redis *redis, struct bytes in, const struct expect *expect,
				size_t *used, struct message *out)
{
	struct redis_response *response = &redis->response;
	uint8_t kind = REDIS_TAG_KIND(expect->tag);
	enum parse_status status;

	if (!in.size || (response->monitor && in.data[0] == '+' && in.size < 2))
		return PARSE_NEED_MORE;
	if (response->monitor && in.data[0] == '+' && in.data[1] >= '0' && in.data[1] <= '9') {
		response->subject = SUBJECT_NOBODY;
		return PARSE_PART;
	}
	if (in.data[0] == '*' || in.data[0] == '>') {
		status = choose_pubsub(redis, in, expect);
		if (status != PARSE_MESSAGE)
			return status == PARSE_SKIP ? PARSE_PART : status;
	}
	if (!expect->waiting && redis->request.broken && in.data[0] != '-')
		return PARSE_LOST;
	if (!expect->waiting && !expect->late && !redis->request.off && !redis->request.broken)
		return PARSE_WAIT;
	if (!expect->waiting) {
		response->subject = SUBJECT_NOBODY;
		return PARSE_PART;
	}
	if (kind == REDIS_SYNC || kind == REDIS_PSYNC) {
		status = choose_sync(response, in, used, out);
		if (status != PARSE_PART)
			return status;
	}
	/* An UNSUBSCRIBE whose last confirmation was not known to be the last. */
	if (redis_kind_subscribes(kind) && expect->counted) {
		out->role = MESSAGE_RESPONSE;
		out->action = MESSAGE_POP;
		response->confirmed = 0;
		return PARSE_MESSAGE;
	}
	response->subject = kind == REDIS_EXEC ? SUBJECT_EXEC : SUBJECT_ANSWER;
	response->reader = REDIS_TAG_READER(expect->tag);
	return PARSE_PART;
}

/*
 * A replica's receipt in this lane: its link is older than we, and what the master replicates was
 * taken for requests. None of them waits for an answer.
 */
static bool is_receipt(struct bytes in)
{
	static const struct bytes receipt = BYTES("*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n");

	return in.size >= receipt.size && bytes_equal(bytes_first(in, receipt.size), receipt);
}

enum parse_status redis_response_parse(struct redis *redis, struct bytes in,
				       const struct expect *expect, size_t *used,
				       struct message *out)
{
	struct redis_response *response = &redis->response;
	enum parse_status status = PARSE_PART;
	enum resp_status found;
	struct resp_item item;
	size_t gone = 0;
	size_t size;

	if (redis->midway && !response->subject && is_receipt(in))
		response->silent = response->reversed = true;
	if (response->reversed && expect->waiting) {
		*used = 0;
		out->role = MESSAGE_RESPONSE;
		out->action = MESSAGE_POP;
		return PARSE_MESSAGE;
	}
	if (response->silent) {
		*used = REDIS_FOREVER;
		return PARSE_SKIP;
	}
	if (response->exec_done)
		return finish_exec(redis, out);
	if (!response->subject)
		status = choose(redis, in, expect, used, out);
	if (status != PARSE_PART)
		return status;
	for (;;) {
		if (response->base && !response->begun)
			begin_element(response, expect);
		found = resp_next(&response->resp, bytes_skip(in, gone), &size, &item);
		if (found == RESP_LOST)
			return PARSE_LOST;
		gone += size;
		*used = gone;
		if (found == RESP_ITEM && take_item(redis, &item, expect, out, &status))
			return status;
		if (found == RESP_MORE && (!size || gone >= in.size))
			return gone ? PARSE_PART : PARSE_NEED_MORE;
	}
}
