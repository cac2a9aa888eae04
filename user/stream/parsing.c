/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/phase.h"

#define WAIT_BYTES (256 * 1024)
#define STILL_STEPS (1 << 20) /* without a byte consumed: more is a parser going in circles */

static void begin_message(struct conversation *c, unsigned int direction)
{
	const struct flow *flow = &c->flows[direction];
	const struct mark *mark = flow_mark(flow, flow->parsed);
	struct moment *begun = &c->begun[direction];

	begun->first = mark->arrival ? mark->arrival : mark->time;
	begun->read = mark->time;
	begun->task = mark->task;
	begun->position = flow->parsed;
}

static void take_message(struct conversation *c, struct pipeline *p, unsigned int direction,
			 const struct message *message, bool whole)
{
	const struct flow *flow = &c->flows[direction];
	struct moment *when = &c->begun[direction];

	when->last = flow->at.time;
	when->end = flow->parsed < USED_TO_END ? flow->parsed : flow->next;
	counts_of(c, p)->messages += message->role != MESSAGE_DETAILS;
	if (message->session != SESSION_SAME)
		c->base = message->session;
	if (pair_apply(&c->pair, &p->outlet, &c->connection, message, when))
		phase_midway(c, p);
	else if (message->role == MESSAGE_REQUEST && !whole)
		c->unended = c->pair.waiting.pushed;
}

/* A request whose end was skipped over is complete now: that is when its last byte was sent. */
static void settle_unended(struct conversation *c, unsigned int direction)
{
	struct request *request = queue_find(&c->pair.waiting, c->unended);

	if (request)
		request->last = c->flows[direction].at.time;
	c->unended = 0;
}

/* What the parser makes of the bytes at hand. */
static enum parse_status ask(struct conversation *c, unsigned int direction, size_t *used,
			     struct message *message)
{
	const struct protocol *protocol = c->connection.protocol;
	const struct flow *flow = &c->flows[direction];
	enum lane lane = lane_of(c, direction);
	struct expect expect = { 0 };
	enum parse_status status;

	if (lane == LANE_RESPONSE) {
		pair_expect(&c->pair, &expect);
		expect.late = c->late;
	}
	status = protocol->parse(c->state, lane, flow->view, &expect, used, message);
	if (status == PARSE_NEED_MORE && flow->view.size > protocol->hold)
		return PARSE_LOST;
	return status;
}

/* An answer waits for its request. True: too many bytes do, they are taken without. */
static bool wait(struct conversation *c, struct pipeline *p, unsigned int direction)
{
	const struct flow *flow = &c->flows[direction];

	if (flow->view.size > WAIT_BYTES && !c->late) {
		c->late = true;
		return true;
	}
	if (!c->waiting_since)
		c->waiting_since = flow_mark(flow, flow->parsed)->time;
	phase_await(c, p);
	return false;
}

/* What follows is another protocol's. */
static void leave(struct conversation *c, struct pipeline *p)
{
	c->phase = PHASE_FRESH;
	c->base = SESSION_NONE;
	phase_session(c, p, SESSION_NONE);
	c->inside[0] = c->inside[1] = INSIDE_NOTHING;
	c->blind = false;
	c->doubt = 0;
	pair_forget(&c->pair, &p->outlet);
}

/*
 * What it has held back reaches up to an anchor: there the other end must agree on the request that
 * is answered next. False: it does not, or the anchor lies inside an answer.
 */
static bool agrees(struct conversation *c, struct pipeline *p)
{
	unsigned int response = direction_of(c, LANE_RESPONSE);
	const struct request *front = queue_front(&c->pair.waiting);
	uint64_t request = front ? front->position : c->flows[!response].parsed;

	if (c->pair.muted && c->flows[response].parsed < c->anchor[response])
		return true;
	c->anchored = false;
	if (!c->pair.muted)
		return true;
	if (c->flows[response].parsed > c->anchor[response]) {
		phase_midway(c, p);
		return false;
	}
	/* Messages without bytes may still be to come here. */
	if (request == c->anchor[!response] && !(front && front->counted))
		pair_unmute(&c->pair, &p->outlet);
	else
		c->anchored = true;
	return true;
}

/* One step of the parser. False: nothing more to do in this lane for now. */
static bool step(struct conversation *c, struct pipeline *p, unsigned int direction,
		 unsigned int *still)
{
	struct flow *flow = &c->flows[direction];
	struct message message = { 0 };
	enum parse_status status;
	size_t used = 0;
	bool whole;

	if (c->anchored && lane_of(c, direction) == LANE_RESPONSE && !agrees(c, p))
		return false;
	status = ask(c, direction, &used, &message);
	if (status == PARSE_NEED_MORE)
		return false;
	if (status == PARSE_WAIT && (c->pair.muted || c->doubt)) {
		phase_midway(c, p);
		c->answered = true;
		return false;
	}
	if (status == PARSE_WAIT)
		return wait(c, p, direction);
	*still = used ? 0 : *still + 1;
	if (status == PARSE_LOST || *still > STILL_STEPS) {
		counts_of(c, p)->errors++;
		phase_midway(c, p);
		return false;
	}
	if (!c->inside[direction])
		begin_message(c, direction);
	whole = used <= flow->view.size;
	flow_consume(flow, used);
	c->inside[direction] = status == PARSE_FRAMES ? INSIDE_FRAMES :
			       status == PARSE_PART   ? INSIDE_MESSAGE :
							INSIDE_NOTHING;
	if (status == PARSE_MESSAGE || status == PARSE_SWITCH)
		take_message(c, p, direction, &message, whole);
	if (status == PARSE_SWITCH && c->phase == PHASE_SPEAKING)
		leave(c, p);
	return c->phase == PHASE_SPEAKING;
}

/* A skip under way has not reached its end: the parser has nothing to do. */
static bool skipping(const struct flow *flow)
{
	return flow->parsed > flow->next;
}

static bool skipping_to_end(const struct flow *flow)
{
	return skipping(flow) && flow->parsed >= USED_TO_END;
}

void parse_lane(struct conversation *c, struct pipeline *p, unsigned int direction)
{
	struct flow *flow = &c->flows[direction];
	unsigned int still = 0;

	if (skipping(flow))
		return;
	if (c->unended && lane_of(c, direction) == LANE_REQUEST)
		settle_unended(c, direction);
	while (step(c, p, direction, &still)) {
		if (skipping(flow))
			break;
	}
	c->late = false; /* was said of what was at hand */
}

void parse_late(struct conversation *c, struct pipeline *p)
{
	unsigned int response = direction_of(c, LANE_RESPONSE);

	c->late = true;
	c->waiting_since = 0;
	parse_lane(c, p, response);
	if (c->phase != PHASE_DEAF && !flow_keep(&c->flows[response], &p->memory))
		phase_midway(c, p);
}

void parse_finish(struct conversation *c, struct pipeline *p, unsigned int direction, bool torn)
{
	const struct protocol *protocol = c->connection.protocol;
	enum lane name = lane_of(c, direction);

	while (c->phase == PHASE_SPEAKING && protocol->finish &&
	       (!skipping(&c->flows[direction]) || skipping_to_end(&c->flows[direction]))) {
		struct message message = { 0 };
		struct expect expect;

		pair_expect(&c->pair, &expect);
		expect.torn = torn;
		if (protocol->finish(c->state, name, &expect, &message) != PARSE_MESSAGE)
			break;
		take_message(c, p, direction, &message, true);
	}
}

/* Asked of a copy: at the server's end the lane goes on until that closes, too. */
uint32_t parse_unfinished(const struct conversation *c, struct pipeline *p)
{
	const struct protocol *protocol = c->connection.protocol;
	bool asks = c->phase == PHASE_SPEAKING && protocol->finish;
	void *state = asks ? pool_take(&p->states[c->protocol]) : NULL;
	struct message message = { 0 };
	struct expect expect;
	uint32_t count = 0;

	if (!state)
		return 0;
	memcpy(state, c->state, protocol->state_size);
	pair_expect(&c->pair, &expect);
	while (protocol->finish(state, LANE_REQUEST, &expect, &message) == PARSE_MESSAGE)
		count += message.role == MESSAGE_RESPONSE && message.action == MESSAGE_POP;
	pool_give(&p->states[c->protocol], state);
	return count;
}
