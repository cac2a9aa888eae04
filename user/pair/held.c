/* SPDX-License-Identifier: Apache-2.0 */
#include "pair/held.h"

#include <errno.h>

#define TARGETS_LIMIT 32768
#define TARGETS_KEPT 256
#define DETAILS_LIMIT 16384
#define DETAILS_KEPT 64
#define DETAILS_BYTES 1200 /* of the texts of one request */
#define HELD_LIMIT 262144
#define HELD_KEPT 4096

struct kept_details {
	struct details details; /* its views lie in `bytes` */
	size_t used;
	uint8_t bytes[DETAILS_BYTES];
};

void outlet_init(struct outlet *outlet, uint32_t open_requests)
{
	*outlet = (struct outlet){ .open_requests = open_requests };
	pool_init(&outlet->targets, MEMORY_STREAMS, sizeof(struct target), TARGETS_LIMIT,
		  TARGETS_KEPT);
	pool_init(&outlet->details, MEMORY_TRACES, sizeof(struct kept_details), DETAILS_LIMIT,
		  DETAILS_KEPT);
	pool_init(&outlet->held, MEMORY_STREAMS, sizeof(struct held), HELD_LIMIT, HELD_KEPT);
}

void outlet_free(struct outlet *outlet)
{
	pool_free(&outlet->targets);
	pool_free(&outlet->details);
	pool_free(&outlet->held);
}

int outlet_add(struct outlet *outlet, struct sink *sink)
{
	if (outlet->sink_count == SINKS_MAX)
		return -ENOSPC;
	outlet->sinks[outlet->sink_count++] = sink;
	return 0;
}

void outlet_connection(struct outlet *outlet, const struct connection *connection,
		       enum connection_change change, enum session_state before)
{
	for (unsigned int i = 0; i < outlet->sink_count; i++)
		outlet->sinks[i]->connection(outlet->sinks[i], connection, change, before);
}

void outlet_exchange(struct outlet *outlet, const struct exchange *exchange)
{
	for (unsigned int i = 0; i < outlet->sink_count; i++)
		outlet->sinks[i]->exchange(outlet->sinks[i], exchange);
}

/* Only paths are read by a sink so far; statements' texts are not worth a copy each. */
struct target *target_copy(struct outlet *outlet, const struct connection *connection,
			   struct bytes text)
{
	struct target *target;

	if (!text.size || !connection->protocol || connection->protocol->family != FAMILY_HTTP)
		return NULL;
	target = pool_take(&outlet->targets);
	if (!target)
		return NULL;
	target->details = NULL;
	target->owners = 1;
	target->size = text.size < TARGET_SIZE ? text.size : TARGET_SIZE;
	memcpy(target->bytes, text.data, target->size);
	return target;
}

void target_release(struct outlet *outlet, struct target *target)
{
	if (!target || --target->owners > 0)
		return;
	pool_give(&outlet->details, target->details);
	pool_give(&outlet->targets, target);
}

static void keep(struct kept_details *kept, struct bytes *view)
{
	uint8_t *to = kept->bytes + kept->used;

	if (view->size > DETAILS_BYTES - kept->used)
		view->size = 0;
	if (view->size)
		memcpy(to, view->data, view->size);
	kept->used += view->size;
	view->data = to;
}

void target_detail(struct outlet *outlet, struct target *target, const struct details *details)
{
	struct kept_details *kept = target->details ? NULL : pool_take(&outlet->details);

	if (!kept)
		return;
	kept->details = *details;
	kept->used = 0;
	keep(kept, &kept->details.scheme);
	keep(kept, &kept->details.authority);
	keep(kept, &kept->details.state);
	keep(kept, &kept->details.agent);
	target->details = kept;
}

const struct details *target_details(const struct target *target)
{
	return target && target->details ? &target->details->details : NULL;
}

struct held *held_push(struct held_list *list, struct outlet *outlet, uint32_t most,
		       struct target *target, uint64_t until)
{
	struct held *held = list->count < most ? pool_take(&outlet->held) : NULL;

	if (!held) {
		outlet->unpaired++;
		return NULL;
	}
	held->next = NULL;
	held->target = target;
	held->until = until;
	if (target)
		target->owners++;
	if (list->first)
		list->last->next = held;
	else
		list->first = held;
	list->last = held;
	list->count++;
	return held;
}

void held_pop(struct held_list *list, struct outlet *outlet, bool report)
{
	struct held *held = list->first;

	if (!held)
		return;
	list->first = held->next;
	list->count--;
	if (report)
		outlet_exchange(outlet, &held->exchange);
	else
		outlet->unpaired++;
	target_release(outlet, held->target);
	pool_give(&outlet->held, held);
}

void held_end(struct held_list *list, struct outlet *outlet, bool report)
{
	while (list->first)
		held_pop(list, outlet, report);
}
