/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/callers.h"

/* The numbers are given one after the other. */
static struct node **place_of(struct callers *callers, uint64_t both)
{
	struct node **at = &callers->buckets[both & (CALLERS_BUCKETS - 1)];

	while (*at && (*at)->both != both)
		at = &(*at)->same_both;
	return at;
}

void callers_await(struct callers *callers, struct node *request)
{
	struct node **bucket = &callers->buckets[request->both & (CALLERS_BUCKETS - 1)];

	request->awaits = true;
	request->same_both = *bucket;
	*bucket = request;
}

struct node *callers_find(struct callers *callers, uint64_t both)
{
	return *place_of(callers, both);
}

struct node *callers_take(struct callers *callers, uint64_t both)
{
	struct node **at = place_of(callers, both);
	struct node *request = *at;

	if (!request)
		return NULL;
	*at = request->same_both;
	request->awaits = false;
	return request;
}

void callers_give_up(struct callers *callers, struct node *request)
{
	callers_take(callers, request->both);
}
