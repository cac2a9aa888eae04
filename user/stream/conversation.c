/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/conversation.h"

#include "stream/duet.h"
#include "stream/phase.h"

#define QUIET_NS 1000000000ULL /* after an answer: what was asked has been answered, mostly */

/* ---- chunks ---- */

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
		trial_judge(c, p, direction, rested);
	order_take(c, p, direction, chunk);
	if (c->phase == PHASE_DEAF)
		return;
	if (c->pair.held.first || duet_awaits(c))
		phase_await(c, p);
	for (int i = 0; i < 2; i++) {
		if (!flow_keep(&c->flows[i], &p->memory)) {
			order_gap(c, p, i, LOSS_NONE);
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
 * yet. Torn: an answer that goes on up to the end has not come to it.
 */
static void finish(struct conversation *c, struct pipeline *p, bool led, bool torn)
{
	order_give_up(c, p);
	if (c->phase == PHASE_SPEAKING && c->waiting_since)
		parse_late(c, p);
	if (c->phase == PHASE_SPEAKING && !led)
		parse_finish(c, p, direction_of(c, LANE_REQUEST), false);
	if (c->phase == PHASE_SPEAKING)
		parse_finish(c, p, direction_of(c, LANE_RESPONSE), torn);
}

void conversation_close(struct conversation *c, struct pipeline *p, uint64_t now)
{
	bool led = c->phase == PHASE_FOLLOWED && c->duet->server;

	finish(led ? c->duet->server : c, p, led, c->torn[direction_of(c, LANE_RESPONSE)]);
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
	order_give_up(c, p);
	if (phase_in_step(c))
		order_gap(c, p, direction_of(c, LANE_REQUEST), LOSS_NONE);
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
		order_gap(c, p, request, LOSS_NONE);
		return;
	}
	parse_late(c, p);
	if (c->phase == PHASE_FRESH)
		phase_run(c, p, direction_of(c, LANE_REQUEST));
}

static void decide(struct conversation *c, struct pipeline *p, uint64_t now)
{
	if (c->phase == PHASE_SPEAKING && c->waiting_since && c->waiting_since + PATIENCE_NS <= now)
		stop_waiting(c, p);
	order_tick(c, p, now);
	if (c->pair.held.first && pair_idle(&c->pair) && c->moved_at + PATIENCE_NS <= now)
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
