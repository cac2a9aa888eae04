/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/phase.h"

#define TRIAL_TURNS 32

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

void trial_judge(struct conversation *c, struct pipeline *p, unsigned int direction, bool rested)
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

bool trial_see(struct conversation *c, struct pipeline *p, unsigned int direction)
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
