/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/conversation.h"

#include "event.h"
#include "stream/duet.h"
#include "stream/phase.h"

#define QUIET_NS 1000000000ULL /* after an answer: what was asked has been answered, mostly */
#define TRIAL_TURNS 32
#define BLIND_REQUESTS 1024 /* that are followed at most */
#define PATIENCE_NS \
	200000000ULL /* for a request or a chunk that another CPU saw first, or one answer more */

/*
 * An answer that does not end before a turn, as if it answered another request; or turn after turn
 * with something left to answer. A client that asks on while answers come does so, too: where the
 * server's end is seen, that tells.
 */
static bool seems_wrong(struct conversation *c, const struct flow *answers)
{
	if (phase_witnessed(c))
		return false;
	return (c->connection.protocol->framed_by_request && answers->parsed > answers->next) ||
	       (c->pair.muted && ++c->tries > TRIAL_TURNS);
}

/*
 * Bytes are about to come in for a conversation that is on trial, or was not long ago. A turn with
 * nothing left to answer speaks for it. It begins anew here where the answer before the turn seems
 * not to end, where a rest leaves requests without answers, or after many turns in vain.
 */
static void judge(struct conversation *c, struct pipeline *p, unsigned int direction, bool rested)
{
	unsigned int response = direction_of(c, LANE_RESPONSE);
	const struct flow *answers = &c->flows[response];
	bool turn = direction != response && c->answered;

	c->answered = direction == response;
	if (!turn)
		return;
	if (pair_idle(&c->pair) && !c->inside[0] && !c->inside[1] &&
	    answers->parsed == answers->next) {
		c->doubt--;
		if (c->pair.muted)
			pair_unmute(&c->pair, &p->outlet);
	} else if (rested || seems_wrong(c, answers)) {
		phase_midway(c, p);
		c->answered = true;
		c->at_rest = rested;
	}
}

/*
 * Blind: answers are passed over until the anchor. True: it is reached, and they count from here.
 * If the request named there is none of those followed, what was taken for requests was none.
 */
static bool see(struct conversation *c, struct pipeline *p, unsigned int direction)
{
	struct flow *flow = &c->flows[direction];
	const struct flow *requests = &c->flows[!direction];
	uint64_t here = c->anchor[direction];

	if (!c->anchored || here < flow->parsed || here >= flow->next) {
		flow_restart(flow, &p->memory, flow->next);
		/* Nobody will tell it: it tries by itself. */
		if (!c->witnessed && (!c->anchored || here < flow->next)) {
			phase_midway(c, p);
			c->answered = true;
		}
		return false;
	}
	flow_consume(flow, here - flow->parsed);
	if (!pair_resume(&c->pair, &p->outlet, c->anchor[!direction], requests->parsed)) {
		phase_midway(c, p);
		return false;
	}
	pair_unmute(&c->pair, &p->outlet);
	c->blind = c->anchored = false;
	c->doubt = DOUBT_TURNS;
	return true;
}

/*
 * Runs the phases over what a direction holds. Either lane may be what the other one has waited
 * for: a request for its answer, an answer for what is to be made of the bytes sent after it.
 */
static void run(struct conversation *c, struct pipeline *p, unsigned int direction)
{
	bool moved = true;

	for (bool first = true; moved; first = false) {
		const struct flow *flow = &c->flows[direction];
		const struct flow *other = &c->flows[!direction];
		uint64_t parsed = flow->parsed;

		if (c->phase == PHASE_FRESH)
			detect_fresh(c, p, direction);
		else if (c->phase == PHASE_MIDWAY)
			detect_midway(c, p, direction);
		if (c->phase != PHASE_SPEAKING)
			return;
		if (lane_of(c, direction) == LANE_RESPONSE) {
			if (c->blind && !see(c, p, direction))
				return;
			c->waiting_since = 0;
		}
		parse_lane(c, p, direction);
		if (c->blind)
			pair_keep_newest(&c->pair, &p->outlet, BLIND_REQUESTS);
		moved = other->view.size && (first || flow->parsed != parsed);
		direction = !direction;
	}
}

/* ---- chunks ---- */

/* Every byte counts: one that is missing is a loss. */
static bool in_step(const struct conversation *c)
{
	return c->phase == PHASE_SPEAKING || c->phase == PHASE_FRESH || c->phase == PHASE_FOLLOWED;
}

static void gap(struct conversation *c, struct pipeline *p, unsigned int direction,
		unsigned int loss)
{
	/* Nobody looks at these. */
	if (c->blind && lane_of(c, direction) == LANE_RESPONSE)
		return;
	counts_of(c, p)->gaps++;
	if (loss < LOSS_REASONS)
		p->losses[loss]++;
	if (in_step(c))
		phase_midway(c, p);
	else
		c->answered = c->at_rest = false;
}

/*
 * Answers wait for their request, whose bytes another CPU told of later: where a chunk's bytes are
 * not at hand, only what is made of those before tells whether they are needed.
 */
static bool too_early(const struct conversation *c, unsigned int direction,
		      const struct chunk *chunk)
{
	return c->waiting_since && !c->late && lane_of(c, direction) == LANE_RESPONSE &&
	       chunk->bytes.size < chunk->moved;
}

/*
 * The other direction has one put aside that was moved before: it comes after what that waits for.
 * If that is given up, what comes next may be a turn.
 */
static bool is_behind(const struct conversation *c, unsigned int direction, uint64_t time)
{
	const struct flow *other = &c->flows[!direction];

	return flow_stuck(other) && other->ahead->chunk.time < time;
}

/* Midway it is known who has moved something, if not what. */
static void pass_over(struct conversation *c, unsigned int direction)
{
	if (!c->connection.side)
		return;
	c->answered = lane_of(c, direction) == LANE_RESPONSE;
	c->at_rest = false;
}

/* Takes a chunk that may follow a gap, runs the phases over it and settles its end. */
static void take(struct conversation *c, struct pipeline *p, unsigned int direction,
		 const struct chunk *chunk, bool patient)
{
	struct flow *flow = &c->flows[direction];
	uint64_t end = chunk->position + chunk->moved;
	enum flow_take taken;

	if (patient && (too_early(c, direction, chunk) || is_behind(c, direction, chunk->time)))
		taken = flow_defer(flow, &p->memory, chunk);
	else
		taken = flow_take(flow, &p->memory, chunk, patient);
	if (taken == FLOW_NOTHING) {
		if (flow->ahead_since)
			phase_await(c, p);
		return;
	}
	if (taken == FLOW_GAP) {
		gap(c, p, direction, LOSS_NONE);
		flow_restart(flow, &p->memory, chunk->position);
		if (flow_take(flow, &p->memory, chunk, false) != FLOW_TAKEN)
			flow_restart(flow, &p->memory, end);
	}
	run(c, p, direction);
	if (c->phase == PHASE_DEAF)
		return;
	if (!flow_end(flow, end)) {
		if (c->phase != PHASE_MIDWAY)
			gap(c, p, direction, chunk->loss);
		else
			pass_over(c, direction);
		flow_restart(flow, &p->memory, end);
	}
}

/* The direction of the oldest chunk put aside. */
static unsigned int oldest_ahead(const struct conversation *c)
{
	const struct ahead *ahead[] = { c->flows[0].ahead, c->flows[1].ahead };

	return !ahead[0] || (ahead[1] && ahead[1]->chunk.time < ahead[0]->chunk.time);
}

/* They follow in the order of time; but not a request the answers that wait for it. */
static bool comes_next(const struct conversation *c, unsigned int direction)
{
	if (c->waiting_since && !flow_stuck(&c->flows[direction_of(c, LANE_RESPONSE)]))
		return lane_of(c, direction) == LANE_REQUEST;
	return oldest_ahead(c) == direction;
}

/* Chunks put aside follow once what was missing came, or (force) is given up. */
static void take_ahead(struct conversation *c, struct pipeline *p, unsigned int direction,
		       bool force)
{
	struct ahead *ahead;

	while (c->phase != PHASE_DEAF && (force || comes_next(c, direction)) &&
	       (ahead = flow_ahead_pop(&c->flows[direction], force))) {
		if (c->phase == PHASE_SPEAKING && c->doubt)
			judge(c, p, direction, false);
		take(c, p, direction, &ahead->chunk, false);
		if (c->phase != PHASE_DEAF && !flow_keep(&c->flows[direction], &p->memory))
			phase_midway(c, p);
		flow_ahead_free(ahead, &p->memory);
		force = false;
	}
}

static unsigned int count_ahead(const struct conversation *c)
{
	return c->flows[0].ahead_count + c->flows[1].ahead_count;
}

/* As many as can; where there is no room for more, at least one. */
static void take_all_ahead(struct conversation *c, struct pipeline *p)
{
	unsigned int before;

	while (c->phase != PHASE_DEAF && (before = count_ahead(c))) {
		bool full = c->flows[0].ahead_count == FLOW_AHEAD ||
			    c->flows[1].ahead_count == FLOW_AHEAD;

		take_ahead(c, p, oldest_ahead(c), full);
		take_ahead(c, p, direction_of(c, LANE_REQUEST), false);
		if (count_ahead(c) == before)
			break;
	}
}

/* What is missing will not come any more. */
static void give_up_missing(struct conversation *c, struct pipeline *p)
{
	while (c->phase != PHASE_DEAF && count_ahead(c))
		take_ahead(c, p, oldest_ahead(c), true);
}

void conversation_feed(struct conversation *c, struct pipeline *p, unsigned int direction,
		       const struct chunk *chunk)
{
	bool rested;

	if (c->phase == PHASE_DEAF)
		return;
	rested = c->answered && chunk->time > c->moved_at + QUIET_NS;
	c->moved_at = chunk->time;
	if (c->phase == PHASE_MIDWAY)
		c->at_rest |= rested;
	else if (c->doubt)
		judge(c, p, direction, rested);
	take(c, p, direction, chunk, true);
	take_all_ahead(c, p);
	if (c->phase == PHASE_DEAF)
		return;
	if (c->pair.held.first || duet_awaits(c))
		phase_await(c, p);
	for (int i = 0; i < 2; i++) {
		if (!flow_keep(&c->flows[i], &p->memory)) {
			gap(c, p, i, LOSS_NONE);
			flow_restart(&c->flows[i], &p->memory, c->flows[i].next);
		}
	}
	phase_session_update(c, p);
}

void conversation_open(struct conversation *c, const struct connection *connection,
		       enum beginning beginning, uint64_t position)
{
	memset(c, 0, sizeof(*c));
	c->connection = *connection;
	c->connection.protocol = NULL;
	c->connection.session = SESSION_NONE;
	c->base = SESSION_NONE;
	c->protocol = PROTOCOLS_MAX;
	c->phase = beginning == BEGINNING_SEEN ? PHASE_FRESH : PHASE_MIDWAY;
	c->at_rest = beginning == BEGINNING_QUIET;
	for (int i = 0; i < 2 && beginning != BEGINNING_MIDWAY; i++) {
		c->flows[i].started = true;
		c->flows[i].next = c->flows[i].parsed = position;
	}
}

/* What still waits will not be answered, or was not read. */
static void abort_waiting(struct conversation *c, struct pipeline *p, uint64_t now)
{
	struct duet *duet = c->duet;

	if (duet && !duet->server)
		ends_client_gone(&duet->ends, &p->outlet);
	if (c->phase == PHASE_SPEAKING)
		pair_abort(&c->pair, &p->outlet, &c->connection, now);
	else if (c->phase == PHASE_FOLLOWED && duet->server)
		pair_abort_client(&duet->server->pair, &p->outlet, now,
				  parse_unfinished(duet->server, p));
	if (duet)
		duet_leave(c, p);
}

/*
 * No more will come: what waits is taken as it is, the last messages may be complete by that. Led:
 * not of this end, but of the client's that is followed here; an unfinished request may be answered
 * yet.
 */
static void finish(struct conversation *c, struct pipeline *p, bool led)
{
	give_up_missing(c, p);
	if (c->phase == PHASE_SPEAKING && c->waiting_since)
		parse_late(c, p);
	if (c->phase == PHASE_SPEAKING && !led)
		parse_finish(c, p, direction_of(c, LANE_REQUEST));
	if (c->phase == PHASE_SPEAKING)
		parse_finish(c, p, direction_of(c, LANE_RESPONSE));
}

void conversation_close(struct conversation *c, struct pipeline *p, uint64_t now)
{
	bool led = c->phase == PHASE_FOLLOWED && c->duet->server;

	finish(led ? c->duet->server : c, p, led);
	abort_waiting(c, p, now);
	phase_announce(c, p);
	c->base = SESSION_NONE;
	phase_session(c, p, SESSION_NONE);
	outlet_connection(&p->outlet, &c->connection, CONNECTION_CLOSED, SESSION_NONE);
	conversation_free(c, p);
}

bool conversation_settled(const struct conversation *c, uint64_t ret[2])
{
	const struct flow *answers = &c->flows[direction_of(c, LANE_RESPONSE)];
	const struct flow *requests = &c->flows[direction_of(c, LANE_REQUEST)];
	const struct request *front = queue_front(&c->pair.waiting);

	if (c->phase != PHASE_SPEAKING || c->pair.muted || c->pair.deferred.count ||
	    c->inside[direction_of(c, LANE_RESPONSE)] || answers->parsed != answers->next ||
	    answers->ahead || requests->ahead)
		return false;
	if (front ? front->counted :
		    c->inside[direction_of(c, LANE_REQUEST)] || requests->parsed > requests->next)
		return false;
	ret[direction_of(c, LANE_REQUEST)] = front ? front->position : requests->parsed;
	ret[direction_of(c, LANE_RESPONSE)] = answers->parsed;
	return true;
}

void conversation_anchor(struct conversation *c, const uint64_t anchor[2])
{
	unsigned int response = direction_of(c, LANE_RESPONSE);

	if (!c->pair.muted || (c->anchored && c->anchor[response] >= c->flows[response].next))
		return;
	c->anchored = true;
	memcpy(c->anchor, anchor, sizeof(c->anchor));
}

void conversation_forsake(struct conversation *c, struct pipeline *p)
{
	if (c->phase == PHASE_SPEAKING && c->doubt && !c->pair.muted)
		phase_midway(c, p);
}

void conversation_lose(struct conversation *c, struct pipeline *p)
{
	give_up_missing(c, p);
	if (in_step(c))
		gap(c, p, direction_of(c, LANE_REQUEST), LOSS_NONE);
}

void conversation_free(struct conversation *c, struct pipeline *p)
{
	if (c->duet)
		duet_leave(c, p);
	phase_settle(c);
	pair_forget(&c->pair, &p->outlet);
	for (int i = 0; i < 2; i++)
		flow_free(&c->flows[i], &p->memory);
	phase_drop_state(c, p);
	c->phase = PHASE_DEAF;
}

/* ---- the pipeline ---- */

/*
 * Answers are taken without the requests that they have waited for. Not where one of those is there
 * in part: it would wait for another's answer then.
 */
static void stop_waiting(struct conversation *c, struct pipeline *p)
{
	unsigned int request = direction_of(c, LANE_REQUEST);

	if (c->inside[request] || c->flows[request].parsed > c->flows[request].next) {
		gap(c, p, request, LOSS_NONE);
		return;
	}
	parse_late(c, p);
	if (c->phase == PHASE_FRESH)
		run(c, p, direction_of(c, LANE_REQUEST));
}

static bool is_overdue(const struct flow *flow, uint64_t now)
{
	return flow->ahead_since && flow->ahead_since + PATIENCE_NS <= now;
}

static void decide(struct conversation *c, struct pipeline *p, uint64_t now)
{
	if (c->phase == PHASE_SPEAKING && c->waiting_since && c->waiting_since + PATIENCE_NS <= now)
		stop_waiting(c, p);
	while (is_overdue(&c->flows[0], now) || is_overdue(&c->flows[1], now))
		take_ahead(c, p, oldest_ahead(c), true);
	take_all_ahead(c, p);
	if (c->phase != PHASE_FOLLOWED && c->pair.held.first && pair_idle(&c->pair) &&
	    c->moved_at + PATIENCE_NS <= now)
		pair_unmute(&c->pair, &p->outlet);
	duet_look(c, p);
	if (c->phase != PHASE_FOLLOWED)
		phase_session_update(c, p);
	if (!c->waiting_since && !c->flows[0].ahead_since && !c->flows[1].ahead_since &&
	    !c->pair.held.first && !duet_awaits(c))
		phase_settle(c);
}

void pipeline_look(struct pipeline *pipeline)
{
	for (struct conversation *c = pipeline->pending; c; c = c->next_pending)
		duet_look(c, pipeline);
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

void pipeline_init(struct pipeline *pipeline, uint32_t open_requests)
{
	memset(pipeline, 0, sizeof(*pipeline));
	outlet_init(&pipeline->outlet, open_requests);
	flow_memory_init(&pipeline->memory);
	pool_init(&pipeline->duets, MEMORY_CONNECTIONS, sizeof(struct duet), SIZE_MAX, 64);
	for (int i = 0; protocols[i]; i++)
		pool_init(&pipeline->states[i], MEMORY_CONNECTIONS, protocols[i]->state_size,
			  SIZE_MAX, 64);
}

void pipeline_free(struct pipeline *pipeline)
{
	outlet_free(&pipeline->outlet);
	flow_memory_free(&pipeline->memory);
	pool_free(&pipeline->duets);
	for (int i = 0; protocols[i]; i++)
		pool_free(&pipeline->states[i]);
}
