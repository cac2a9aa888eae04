/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/callers.h"

static struct node **bucket_of(struct callers *callers, uint64_t both)
{
	return &callers->buckets[both * 0x9e3779b97f4a7c15ULL >> 40 & (CALLERS_BUCKETS - 1)];
}

static struct node **place_of(struct callers *callers, uint64_t both, enum span_kind kind)
{
	struct node **at = bucket_of(callers, both);

	while (*at && ((*at)->both != both || (*at)->kind != kind))
		at = &(*at)->same_both;
	return at;
}

void callers_await(struct callers *callers, struct node *node)
{
	struct node **bucket = bucket_of(callers, node->both);

	node->awaits = true;
	node->same_both = *bucket;
	*bucket = node;
}

static void unlink_node(struct node **at)
{
	struct node *node = *at;

	*at = node->same_both;
	node->awaits = false;
}

void callers_give_up(struct callers *callers, struct node *node)
{
	struct node **at = bucket_of(callers, node->both);

	if (!node->awaits)
		return;
	while (*at != node)
		at = &(*at)->same_both;
	unlink_node(at);
}

struct node *callers_take(struct callers *callers, uint64_t both, enum span_kind kind)
{
	struct node **at = place_of(callers, both, kind);
	struct node *node = *at;

	if (node)
		unlink_node(at);
	return node;
}
