/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/conversation.h"

#include <errno.h>
#include <stdlib.h>

#include "event.h"

#define PATIENCE_NS 200000000ULL /* for a request or a chunk that another CPU saw first */
#define DETECT_BYTES 8192	 /* after as many bytes a protocol must have shown itself */
#define FOREIGN_BYTES 16384	 /* of a server that speaks first */
#define MIDWAY_TRIES 64
#define CERTAIN 50 /* detect(): from here on it is believed */
#define WAIT_BYTES (256 * 1024)
#define STILL_STEPS (1 << 20) /* without a byte consumed: more is a parser going in circles */

static struct protocol_counts *counts(struct conversation *c, struct pipeline *p)
{
	return &p->counts[c->protocol];
}

/* ---- pending: conversations that a tick may have to decide ---- */

static void pending_add(struct conversation *c, struct pipeline *p)
{
	if (c->link_pending)
		return;
	c->next_pending = p->pending;
	c->link_pending = &p->pending;
	if (p->pending)
		p->pending->link_pending = &c->next_pending;
	p->pending = c;
}

static void pending_remove(struct conversation *c)
{
	if (!c->link_pending)
		return;
	*c->link_pending = c->next_pending;
	if (c->next_pending)
		c->next_pending->link_pending = c->link_pending;
	c->link_pending = NULL;
	c->next_pending = NULL;
}

/* ---- which direction speaks for whom ---- */

static enum lane lane_of(const struct conversation *c, unsigned int direction)
{
	bool sent = direction == DIRECTION_TX;

	return sent == (c->connection.side == SIDE_CLIENT) ? LANE_REQUEST : LANE_RESPONSE;
}

static unsigned int direction_of(const struct conversation *c, enum lane lane)
{
	bool client = c->connection.side == SIDE_CLIENT;

	return client == (lane == LANE_REQUEST) ? DIRECTION_TX : DIRECTION_RX;
}

/* ---- what sinks are told ---- */

static void announce(struct conversation *c, struct pipeline *p)
{
	if (c->announced)
		return;
	c->announced = true;
	outlet_connection(&p->outlet, &c->connection, CONNECTION_OPENED, SESSION_NONE);
}

static void session_set(struct conversation *c, struct pipeline *p, enum session_state session)
{
	enum session_state before = c->connection.session;

	if (session == before)
		return;
	c->connection.session = session;
	outlet_connection(&p->outlet, &c->connection, CONNECTION_SESSION, before);
}

/* Active while something waits, if the protocol has sessions; else as it last said. */
static void session_update(struct conversation *c, struct pipeline *p)
{
	bool busy = c->pair.waiting.count && c->connection.protocol &&
		    c->connection.protocol->sessions && c->base != SESSION_NONE;

	session_set(c, p, busy ? SESSION_ACTIVE : c->base);
}

/* ---- phases ---- */

static void become_deaf(struct conversation *c, struct pipeline *p)
{
	c->phase = PHASE_DEAF;
	pending_remove(c);
	pair_forget(&c->pair, &p->outlet);
	session_update(c, p);
	for (int i = 0; i < 2; i++)
		flow_free(&c->flows[i], &p->memory);
	pool_give(&p->states, c->state);
	c->state = NULL;
	announce(c, p);
}

static bool become_speaking(struct conversation *c, struct pipeline *p, unsigned int protocol,
			    bool midway)
{
	const struct protocol *ops = protocols[protocol];

	if (!c->state)
		c->state = pool_take(&p->states);
	if (!c->state) {
		become_deaf(c, p);
		return false;
	}
	memset(c->state, 0, ops->state_size);
	ops->init(c->state, midway);
	c->protocol = protocol;
	c->connection.protocol = ops;
	c->phase = PHASE_SPEAKING;
	c->late = false;
	c->inside[0] = c->inside[1] = false;
	announce(c, p);
	/* Where sessions are announced by the protocol, a new one is not open yet. */
	if (c->base == SESSION_NONE && (midway || !ops->sessions))
		c->base = SESSION_IDLE;
	session_update(c, p);
	return true;
}

/* Bytes are missing, or make no sense: what waits can no longer be told from what was answered. */
static void become_midway(struct conversation *c, struct pipeline *p)
{
	c->phase = PHASE_MIDWAY;
	c->answered = false;
	c->tries = 0;
	c->unended = 0;
	c->waiting_since = 0;
	c->late = false;
	pair_forget(&c->pair, &p->outlet);
	for (int i = 0; i < 2; i++)
		flow_restart(&c->flows[i], &p->memory, c->flows[i].next);
	session_update(c, p);
}

/* ---- detection ---- */

/* The protocol that `view` is, -EAGAIN while more bytes could tell, -ENOENT when it is none. */
static int detect(const struct conversation *c, struct bytes view, enum lane lane, bool midway)
{
	int best = -ENOENT;
	int score = CERTAIN - 1;

	for (int i = 0; protocols[i]; i++) {
		int result;

		if (c->protocol != PROTOCOLS_MAX && midway && c->protocol != i)
			continue;
		result = protocols[i]->detect(view, lane, midway);
		if (result == -EAGAIN && best < 0)
			best = -EAGAIN;
		if (result > score) {
			score = result;
			best = i;
		}
	}
	return best;
}

/* A new stream: the first bytes of the request lane tell; answers are held back until then. */
static void run_fresh(struct conversation *c, struct pipeline *p, unsigned int direction)
{
	struct flow *flow = &c->flows[direction];
	int found;

	if (!flow->view.size)
		return;
	if (lane_of(c, direction) == LANE_RESPONSE) {
		if (flow->view.size > FOREIGN_BYTES)
			become_deaf(c, p);
		return;
	}
	found = detect(c, flow->view, LANE_REQUEST, false);
	if (found >= 0)
		become_speaking(c, p, found, false);
	else if (found != -EAGAIN || flow->view.size >= DETECT_BYTES)
		become_deaf(c, p);
}

/* Which side this end is on is not known: the bytes of either hypothesis tell. */
static bool guess_side(struct conversation *c, struct bytes view, unsigned int direction)
{
	bool sent = direction == DIRECTION_TX;

	if (detect(c, view, LANE_REQUEST, true) >= 0)
		c->connection.side = sent ? SIDE_CLIENT : SIDE_SERVER;
	else if (detect(c, view, LANE_RESPONSE, true) >= 0)
		c->connection.side = sent ? SIDE_SERVER : SIDE_CLIENT;
	return c->connection.side != 0;
}

/*
 * A stream in mid-life. Chunks are looked at one by one: programs write whole messages. Pairing
 * begins with a request that is the very first thing seen or that follows an answer.
 */
static void run_midway(struct conversation *c, struct pipeline *p, unsigned int direction)
{
	struct flow *flow = &c->flows[direction];
	struct bytes view = flow->view;
	int found = -ENOENT;

	if (!view.size)
		return;
	if (!c->connection.side)
		guess_side(c, view, direction);
	if (c->connection.side && lane_of(c, direction) == LANE_RESPONSE) {
		c->answered = true;
	} else if (c->connection.side) {
		found = detect(c, view, LANE_REQUEST, true);
		if (found >= 0 && (c->answered || (!c->tries && c->protocol == PROTOCOLS_MAX))) {
			become_speaking(c, p, found, true);
			return;
		}
		c->answered = false;
	}
	if (found == -EAGAIN && c->answered && view.size < DETECT_BYTES)
		return;
	flow_restart(flow, &p->memory, flow->next);
	if (++c->tries >= MIDWAY_TRIES && c->protocol == PROTOCOLS_MAX)
		become_deaf(c, p);
	else if (c->tries == UINT16_MAX)
		c->tries = MIDWAY_TRIES;
}

/* ---- parsing ---- */

static void begin_message(struct conversation *c, unsigned int direction)
{
	const struct flow *flow = &c->flows[direction];
	const struct mark *mark = flow_mark(flow, flow->parsed);

	c->begun[direction] = (struct moment){
		.first = mark->arrival ? mark->arrival : mark->time,
		.read = mark->time,
		.task = mark->task,
	};
}

static void take_message(struct conversation *c, struct pipeline *p, unsigned int direction,
			 const struct message *message, bool whole)
{
	struct moment when = c->begun[direction];

	when.last = c->flows[direction].at.time;
	counts(c, p)->messages++;
	if (message->session != SESSION_SAME)
		c->base = message->session;
	if (pair_apply(&c->pair, &p->outlet, &c->connection, message, &when))
		become_midway(c, p);
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

/* One step of the parser. False: nothing more to do in this lane for now. */
static bool step(struct conversation *c, struct pipeline *p, unsigned int direction,
		 unsigned int *still)
{
	const struct protocol *protocol = c->connection.protocol;
	struct flow *flow = &c->flows[direction];
	enum lane name = lane_of(c, direction);
	struct expect expect = { 0 };
	struct message message = { 0 };
	enum parse_status status;
	size_t used = 0;
	bool whole;

	if (name == LANE_RESPONSE) {
		expect = pair_expect(&c->pair);
		expect.late = c->late;
	}
	if (!c->inside[direction])
		begin_message(c, direction);
	status = protocol->parse(c->state, name, flow->view, &expect, &used, &message);
	switch (status) {
	case PARSE_NEED_MORE:
		if (flow->view.size <= protocol->hold)
			return false;
		status = PARSE_LOST;
		break;
	case PARSE_WAIT:
		if (flow->view.size > WAIT_BYTES && !c->late) {
			c->late = true;
			return true;
		}
		if (!c->waiting_since)
			c->waiting_since = flow_mark(flow, flow->parsed)->time;
		pending_add(c, p);
		return false;
	case PARSE_PART:
	case PARSE_SKIP:
	case PARSE_MESSAGE:
	case PARSE_SWITCH:
		*still = used ? 0 : *still + 1;
		if (*still > STILL_STEPS)
			status = PARSE_LOST;
		break;
	case PARSE_LOST:
		break;
	}
	if (status == PARSE_LOST) {
		counts(c, p)->errors++;
		become_midway(c, p);
		return false;
	}
	whole = used <= flow->view.size;
	flow_consume(flow, used);
	c->inside[direction] = status == PARSE_PART;
	if (status == PARSE_MESSAGE || status == PARSE_SWITCH)
		take_message(c, p, direction, &message, whole);
	if (status == PARSE_SWITCH && c->phase == PHASE_SPEAKING) {
		c->phase = PHASE_FRESH;
		c->base = SESSION_NONE;
		session_set(c, p, SESSION_NONE);
		c->inside[0] = c->inside[1] = false;
		pair_forget(&c->pair, &p->outlet);
		return false;
	}
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

static void run_speaking(struct conversation *c, struct pipeline *p, unsigned int direction)
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

static void run(struct conversation *c, struct pipeline *p, unsigned int direction)
{
	unsigned int response;
	bool fresh = c->phase == PHASE_FRESH;

	if (c->phase == PHASE_FRESH)
		run_fresh(c, p, direction);
	else if (c->phase == PHASE_MIDWAY)
		run_midway(c, p, direction);
	if (c->phase != PHASE_SPEAKING)
		return;
	run_speaking(c, p, direction);
	if (c->phase != PHASE_SPEAKING)
		return;
	/* A request may be what held-back answers have waited for. */
	response = direction_of(c, LANE_RESPONSE);
	if (direction != response && (c->waiting_since || fresh) && c->flows[response].view.size) {
		c->waiting_since = 0;
		pending_remove(c);
		run_speaking(c, p, response);
	}
}

/* ---- chunks ---- */

static void gap(struct conversation *c, struct pipeline *p, unsigned int loss)
{
	counts(c, p)->gaps++;
	if (loss < LOSS_REASONS)
		p->losses[loss]++;
	if (c->phase == PHASE_SPEAKING || c->phase == PHASE_FRESH)
		become_midway(c, p);
	else
		c->answered = false;
}

/* Takes a chunk that may follow a gap, runs the phases over it and settles its end. */
static void take(struct conversation *c, struct pipeline *p, unsigned int direction,
		 const struct chunk *chunk, bool patient)
{
	struct flow *flow = &c->flows[direction];
	uint64_t end = chunk->position + chunk->moved;
	enum flow_take taken = flow_take(flow, &p->memory, chunk, patient);

	if (taken == FLOW_NOTHING) {
		if (flow->ahead_since)
			pending_add(c, p);
		return;
	}
	if (taken == FLOW_GAP) {
		gap(c, p, LOSS_NONE);
		flow_restart(flow, &p->memory, chunk->position);
		if (flow_take(flow, &p->memory, chunk, false) != FLOW_TAKEN)
			flow_restart(flow, &p->memory, end);
	}
	run(c, p, direction);
	if (c->phase == PHASE_DEAF)
		return;
	if (!flow_end(flow, end)) {
		if (c->phase != PHASE_MIDWAY)
			gap(c, p, chunk->loss);
		flow_restart(flow, &p->memory, end);
	}
}

/* Chunks put aside follow once what was missing came, or (force) is given up. */
static void take_ahead(struct conversation *c, struct pipeline *p, unsigned int direction,
		       bool force)
{
	struct ahead *ahead;

	while (c->phase != PHASE_DEAF && (ahead = flow_ahead_pop(&c->flows[direction], force))) {
		take(c, p, direction, &ahead->chunk, false);
		if (c->phase != PHASE_DEAF && !flow_keep(&c->flows[direction], &p->memory))
			become_midway(c, p);
		flow_ahead_free(ahead, &p->memory);
		force = false;
	}
}

void conversation_feed(struct conversation *c, struct pipeline *p, unsigned int direction,
		       const struct chunk *chunk)
{
	struct flow *flow = &c->flows[direction];

	if (c->phase == PHASE_DEAF)
		return;
	take(c, p, direction, chunk, true);
	if (flow->ahead && c->phase != PHASE_DEAF) {
		if (flow->ahead_count == FLOW_AHEAD)
			take_ahead(c, p, direction, true);
		else
			take_ahead(c, p, direction, false);
	}
	if (c->phase == PHASE_DEAF)
		return;
	for (int i = 0; i < 2; i++) {
		if (!flow_keep(&c->flows[i], &p->memory)) {
			gap(c, p, LOSS_NONE);
			flow_restart(&c->flows[i], &p->memory, c->flows[i].next);
		}
	}
	session_update(c, p);
}

void conversation_open(struct conversation *c, const struct connection *connection, bool midway)
{
	memset(c, 0, sizeof(*c));
	c->connection = *connection;
	c->connection.protocol = NULL;
	c->connection.session = SESSION_NONE;
	c->base = SESSION_NONE;
	c->protocol = PROTOCOLS_MAX;
	c->phase = midway ? PHASE_MIDWAY : PHASE_FRESH;
	c->flows[0].started = c->flows[1].started = !midway;
}

static void run_late(struct conversation *c, struct pipeline *p)
{
	unsigned int response = direction_of(c, LANE_RESPONSE);

	c->late = true;
	c->waiting_since = 0;
	run_speaking(c, p, response);
	if (c->phase != PHASE_DEAF && !flow_keep(&c->flows[response], &p->memory))
		become_midway(c, p);
}

static void finish(struct conversation *c, struct pipeline *p, unsigned int direction)
{
	const struct protocol *protocol = c->connection.protocol;
	enum lane name = lane_of(c, direction);

	while (c->phase == PHASE_SPEAKING && protocol->finish &&
	       (!skipping(&c->flows[direction]) || skipping_to_end(&c->flows[direction]))) {
		struct expect expect = pair_expect(&c->pair);
		struct message message = { 0 };

		if (protocol->finish(c->state, name, &expect, &message) != PARSE_MESSAGE)
			break;
		take_message(c, p, direction, &message, true);
	}
}

void conversation_close(struct conversation *c, struct pipeline *p, uint64_t now)
{
	for (int i = 0; i < 2; i++) {
		while (c->phase != PHASE_DEAF && c->flows[i].ahead)
			take_ahead(c, p, i, true);
	}
	if (c->phase == PHASE_SPEAKING && c->waiting_since)
		run_late(c, p);
	if (c->phase == PHASE_SPEAKING) {
		finish(c, p, direction_of(c, LANE_REQUEST));
		finish(c, p, direction_of(c, LANE_RESPONSE));
		pair_abort(&c->pair, &p->outlet, &c->connection, now);
	}
	announce(c, p);
	c->base = SESSION_NONE;
	session_set(c, p, SESSION_NONE);
	outlet_connection(&p->outlet, &c->connection, CONNECTION_CLOSED, SESSION_NONE);
	conversation_free(c, p);
}

void conversation_lose(struct conversation *c, struct pipeline *p)
{
	if (c->phase == PHASE_SPEAKING || c->phase == PHASE_FRESH)
		gap(c, p, LOSS_NONE);
}

void conversation_free(struct conversation *c, struct pipeline *p)
{
	pending_remove(c);
	pair_forget(&c->pair, &p->outlet);
	for (int i = 0; i < 2; i++)
		flow_free(&c->flows[i], &p->memory);
	pool_give(&p->states, c->state);
	c->state = NULL;
	c->phase = PHASE_DEAF;
}

/* ---- the pipeline ---- */

static void decide(struct conversation *c, struct pipeline *p, uint64_t now)
{
	for (int i = 0; i < 2; i++) {
		uint64_t since = c->flows[i].ahead_since;

		if (since && since + PATIENCE_NS <= now)
			take_ahead(c, p, i, true);
	}
	if (c->phase == PHASE_SPEAKING && c->waiting_since && c->waiting_since + PATIENCE_NS <= now)
		run_late(c, p);
	session_update(c, p);
	if (!c->waiting_since && !c->flows[0].ahead_since && !c->flows[1].ahead_since)
		pending_remove(c);
}

void pipeline_tick(struct pipeline *pipeline, uint64_t now)
{
	struct conversation *c = pipeline->pending;

	while (c) {
		struct conversation *next = c->next_pending;

		decide(c, pipeline, now);
		c = next;
	}
}

void pipeline_init(struct pipeline *pipeline, uint32_t open_requests, size_t memory)
{
	size_t state_size = 0;

	memset(pipeline, 0, sizeof(*pipeline));
	for (int i = 0; protocols[i]; i++) {
		if (protocols[i]->state_size > state_size)
			state_size = protocols[i]->state_size;
	}
	outlet_init(&pipeline->outlet, open_requests);
	flow_memory_init(&pipeline->memory, memory);
	pool_init(&pipeline->states, state_size, SIZE_MAX, 64);
}

void pipeline_free(struct pipeline *pipeline)
{
	outlet_free(&pipeline->outlet);
	flow_memory_free(&pipeline->memory);
	pool_free(&pipeline->states);
}
