/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/losses.h"

#include <bpf/bpf.h>
#include <string.h>

#include "onlooker.skel.h"

/* Missed runs of a program; 0 where the kernel does not count them (before 5.12). */
static uint64_t missed(const struct bpf_program *program)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	int fd = bpf_program__fd(program);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
		return 0;
	return info.recursion_misses;
}

/*
 * Whether a run that it misses loses something: not where a second program at the same hook stands
 * in (a state's first is busy only while a segment interrupts it, which then finds the second
 * free), not the time at which data was ready, and not where a task comes from.
 */
static bool loses(const struct bpf_program *program)
{
	const char *name = bpf_program__name(program);

	return strncmp(name, "again_", 6) != 0 && strncmp(name, "context_", 8) != 0 &&
	       strncmp(name, "queue_", 6) != 0 && strcmp(name, "socket_state") != 0 &&
	       strcmp(name, "tracepoint_ready") != 0;
}

void losses_read(const struct onlooker_bpf *skeleton, uint64_t ret[CAPTURE_LOSSES])
{
	uint64_t runs = 0, rescued = skeleton->bss->rescued;
	struct bpf_program *program;

	for (int i = 0; i < LOSS_COUNTED; i++)
		ret[i] = skeleton->bss->losses[i];
	bpf_object__for_each_program(program, skeleton->obj)
	{
		if (loses(program))
			runs += missed(program);
	}
	ret[CAPTURE_LOSS_RECURSION] = runs > rescued ? runs - rescued : 0;
}
