/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/task_setup.h"

#include <bpf/libbpf.h>

#include "event.h"
#include "onlooker.skel.h"

#define CONTEXTS 32768 /* of all processes; some 8 MB */
#define QUEUED 4096
#define ERRANDS 8192 /* threads */
#define STREAMS 8192

#if defined(__x86_64__)
static void choose(struct bpf_program *program)
{
	bpf_program__set_autoload(program, true);
	bpf_program__set_autoattach(program, false); /* per process */
}
#endif

void task_setup(struct onlooker_bpf *skeleton, uint64_t followed)
{
	skeleton->rodata->tasks_told = true;
	bpf_map__set_max_entries(skeleton->maps.task_places, TASK_PLACES);
	bpf_map__set_max_entries(skeleton->maps.task_ways, (uint32_t)followed);
	bpf_map__set_max_entries(skeleton->maps.contexts, CONTEXTS);
	bpf_map__set_max_entries(skeleton->maps.queued, QUEUED);
	bpf_map__set_max_entries(skeleton->maps.errands, ERRANDS);
	bpf_map__set_max_entries(skeleton->maps.streams, STREAMS);
#if defined(__x86_64__)
	choose(skeleton->progs.context_copied);
	choose(skeleton->progs.queue_put);
	choose(skeleton->progs.queue_got);
	choose(skeleton->progs.context_made);
	choose(skeleton->progs.stream_written);
#endif
}

void task_kernel(const struct onlooker_bpf *skeleton, struct follow_kernel *ret)
{
	*ret = (struct follow_kernel){ -1, -1, -1, -1, -1, -1, -1 };
	ret->ways = bpf_map__fd(skeleton->maps.task_ways);
	ret->places = bpf_map__fd(skeleton->maps.task_places);
#if defined(__x86_64__)
	ret->copied = bpf_program__fd(skeleton->progs.context_copied);
	ret->put = bpf_program__fd(skeleton->progs.queue_put);
	ret->got = bpf_program__fd(skeleton->progs.queue_got);
	ret->made = bpf_program__fd(skeleton->progs.context_made);
	ret->written = bpf_program__fd(skeleton->progs.stream_written);
#endif
}
