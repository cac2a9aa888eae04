/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/ways.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

struct ways {
	int map, places;
	size_t limit;
	struct task_way set[]; /* as the kernel side has them; kind 0: none */
};

int ways_new(int ways, int places, size_t limit, struct ways **ret)
{
	struct ways *made = calloc(1, sizeof(*made) + limit * sizeof(made->set[0]));

	if (!made)
		return -ENOMEM;
	made->map = ways;
	made->places = places;
	made->limit = limit;
	*ret = made;
	return 0;
}

void ways_free(struct ways *ways)
{
	free(ways);
}

static int write_way(const struct ways *ways, size_t place)
{
	uint32_t key = (uint32_t)place;

	return bpf_map_update_elem(ways->map, &key, &ways->set[place], BPF_ANY) ? -errno : 0;
}

static int write_place(const struct ways *ways, uint32_t tgid, uint32_t value)
{
	uint32_t index = tgid % TASK_PLACES;

	return bpf_map_update_elem(ways->places, &index, &value, BPF_ANY) ? -errno : 0;
}

/* In front of those that share its index; it is found only once it is written. */
static int add(struct ways *ways, size_t place, const struct task_way *way)
{
	uint32_t index = way->tgid % TASK_PLACES, first;
	int error;

	if (bpf_map_lookup_elem(ways->places, &index, &first))
		return -errno;
	ways->set[place] = *way;
	ways->set[place].next = first;
	error = write_way(ways, place);
	if (!error)
		error = write_place(ways, way->tgid, (uint32_t)place + 1);
	if (error)
		ways->set[place].kind = 0;
	return error;
}

int ways_set(struct ways *ways, size_t place, const struct task_way *way)
{
	uint32_t next = ways->set[place].next;

	if (!ways->set[place].kind)
		return add(ways, place, way);
	ways->set[place] = *way;
	ways->set[place].next = next;
	return write_way(ways, place);
}

void ways_clear(struct ways *ways, size_t place)
{
	const struct task_way gone = ways->set[place];
	bool linked = false;

	if (!gone.kind)
		return;
	for (size_t i = 0; i < ways->limit && !linked; i++) {
		linked = ways->set[i].kind && ways->set[i].next == place + 1;
		if (!linked)
			continue;
		ways->set[i].next = gone.next;
		write_way(ways, i);
	}
	if (!linked)
		write_place(ways, gone.tgid, gone.next);
	ways->set[place] = (struct task_way){ .kind = 0 };
	write_way(ways, place);
}

bool ways_broken(const struct ways *ways, size_t place)
{
	uint32_t key = (uint32_t)place;
	struct task_way way;

	return bpf_map_lookup_elem(ways->map, &key, &way) == 0 && way.broken;
}
