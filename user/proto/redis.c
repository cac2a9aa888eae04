/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis and what speaks like it, RESP2 and RESP3: one exchange per command
 * (redis.io/docs/reference/protocol-spec).
 *
 *	redis_request.c   commands, inline or not      redis_response.c  answers and what is none
 *	redis_inline.c    an inline command's words    resp.c            a value, item by item
 *	redis_commands.c  names                        redis_pubsub.c    messages, confirmations
 *	redis_shape.c     what may be shown of a key   redis_shown.c     ... of a command, an error
 *	redis_detect.c    is it Redis?
 */
#include "proto/redis_state.h"
#include "proto/wanted.h"

static void init(void *state, bool midway)
{
	struct redis *redis = state;

	redis->response.database = !midway;
	redis->midway = midway;
	if (midway) {
		redis->response.multi = UNCERTAIN;
		redis->response.subscriptions.uncertain = true;
	}
}

static enum parse_status parse(void *state, enum lane lane, struct bytes in,
			       const struct expect *expect, size_t *used, struct message *out)
{
	struct redis *redis = state;
	enum parse_status status;

	if (lane == LANE_RESPONSE && !details_wanted())
		return redis_response_parse(redis, in, expect, used, out);
	if (lane == LANE_RESPONSE) {
		status = redis_response_parse(redis, in, expect, used, out);
		if (out->failed)
			out->query = redis_shown_error(in);
		if (status == PARSE_MESSAGE)
			redis_show_database(redis, expect, out);
		return status;
	}
	status = redis_request_parse(&redis->request, in, used, out);
	/* What a replica acknowledges is the replication stream, though nobody saw it begin. */
	redis->response.silent |=
		redis->midway && status == PARSE_MESSAGE && redis->request.acknowledges;
	/* Once it has begun nothing is answered any more. */
	if (redis->response.silent && status == PARSE_MESSAGE && !out->action)
		return PARSE_SKIP;
	return status;
}

static const char *const servers[] = { "redis-server", "valkey-server", "keydb-server", NULL };

const struct protocol redis_protocol = {
	.name = "redis",
	.family = FAMILY_CACHE,
	.state_size = sizeof(struct redis),
	.hold = REDIS_INLINE_MAX + 1,
	.port = 6379,
	.servers = servers,
	.detect = redis_detect,
	.init = init,
	.parse = parse,
};
