/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"
#include "stream/phase.h"

void order_gap(struct conversation *c, struct pipeline *p, unsigned int direction,
	       unsigned int loss)
{
	/* Nobody looks at these. */
	if (c->blind && lane_of(c, direction) == LANE_RESPONSE)
		return;
	counts_of(c, p)->gaps++;
	if (loss < LOSS_REASONS)
		p->losses[loss]++;
	if (phase_in_step(c))
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
		order_gap(c, p, direction, LOSS_NONE);
		flow_restart(flow, &p->memory, chunk->position);
		if (flow_take(flow, &p->memory, chunk, false) != FLOW_TAKEN)
			flow_restart(flow, &p->memory, end);
	}
	phase_run(c, p, direction);
	if (c->phase == PHASE_DEAF)
		return;
	if (!flow_end(flow, end)) {
		if (c->phase != PHASE_MIDWAY)
			order_gap(c, p, direction, chunk->loss);
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
		if (c->doubt)
			trial_judge(c, p, direction, false);
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

void order_give_up(struct conversation *c, struct pipeline *p)
{
	while (c->phase != PHASE_DEAF && count_ahead(c))
		take_ahead(c, p, oldest_ahead(c), true);
}

static bool is_overdue(const struct flow *flow, uint64_t now)
{
	return flow->ahead_since && flow->ahead_since + PATIENCE_NS <= now;
}

void order_tick(struct conversation *c, struct pipeline *p, uint64_t now)
{
	while (is_overdue(&c->flows[0], now) || is_overdue(&c->flows[1], now))
		take_ahead(c, p, oldest_ahead(c), true);
	take_all_ahead(c, p);
}

void order_take(struct conversation *c, struct pipeline *p, unsigned int direction,
		const struct chunk *chunk)
{
	take(c, p, direction, chunk, true);
	take_all_ahead(c, p);
}
