/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/follow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/closer.h"
#include "capture/descriptors.h"
#include "capture/modules.h"
#include "capture/probe.h"
#include "capture/prologue.h"
#include "capture/python.h"
#include "capture/ways.h"
#include "log.h"
#include "util/clock.h"

#define LOGGER "onlooker.tasks"
#define PROBES 8
#define BREAKPOINT 0xcc
#define LOOK_FIRST (100 * NSEC_PER_MSEC)
#define LOOK_MOST (60 * NSEC_PER_SEC)
#define SEARCH_FROM NSEC_PER_SEC
#define CHECK_NS NSEC_PER_SEC /* of whether processes live, and their ways hold */

enum state {
	FREE,
	WAITING,
	FOLLOWED,
};

struct entry {
	uint32_t tgid;
	enum state state;
	struct task_way way; /* FOLLOWED: as the kernel side has it; else only `process` */
	uint64_t due;	     /* ns: when to look next; UINT64_MAX: no more */
	uint64_t pause;	     /* ns: until the look after that */
	int folder;
	int probes[PROBES]; /* 0: copied; 1 ..: queue; 4 ..: streams; 6 ..: made. -1: none */
	bool confirmed;	    /* looked at twice */
	bool searched;	    /* the interpreter itself for the module _queue */
	bool asked;	    /* whether its event loop sends later */
	bool makers;	    /* those were sought, too */
};

struct follow {
	struct follow_kernel kernel;
	struct ways *ways;
	struct remote *remote;
	struct entry *entries;
	size_t limit, end; /* all behind `end` are free */
	int descriptors;   /* those from here on are not for us */
	int unprobed;	   /* why no probe can be set: -errno, or 0 */
	uint64_t due, checked;
	struct refusals refusals;
	struct closer closer; /* of probes */
};

/* ---- letting go ---- */

static size_t place_of(const struct follow *follow, const struct entry *entry)
{
	return (size_t)(entry - follow->entries);
}

static void remove_probes(struct follow *follow, struct entry *entry)
{
	for (int i = 0; i < PROBES; i++) {
		if (entry->probes[i] >= 0)
			closer_close(&follow->closer, entry->probes[i]);
		entry->probes[i] = -1;
	}
}

static void stop(struct follow *follow, struct entry *entry)
{
	ways_clear(follow->ways, place_of(follow, entry));
	remove_probes(follow, entry);
	entry->state = WAITING;
	entry->way = (struct task_way){ .process = entry->way.process, .tgid = entry->tgid };
	entry->confirmed = entry->asked = entry->makers = false;
}

static void forget(struct follow *follow, struct entry *entry)
{
	stop(follow, entry);
	close(entry->folder);
	entry->state = FREE;
	while (follow->end > 0 && follow->entries[follow->end - 1].state == FREE)
		follow->end--;
}

/* ---- looking ---- */

/* The file must be the one in memory, but for probes that are there already. */
static bool is_same(const struct remote *remote, const struct module *module, uint64_t function,
		    uint64_t offset, uint8_t ret[PROLOGUE_BYTES])
{
	uint8_t memory[PROLOGUE_BYTES];

	if (remote_bulk(remote, function, memory, sizeof(memory)) != sizeof(memory) ||
	    pread(module->file, ret, sizeof(memory), (off_t)offset) != (ssize_t)sizeof(memory))
		return false;
	for (size_t i = 0; i < sizeof(memory); i++) {
		if (memory[i] != ret[i] && memory[i] != BREAKPOINT)
			return false;
	}
	return true;
}

static int set_probe(struct follow *follow, const struct entry *entry, const struct module *module,
		     uint64_t function, int program, bool returns)
{
	uint8_t code[PROLOGUE_BYTES];
	uint64_t offset;

	if (program < 0)
		return -EOPNOTSUPP;
	if (module->file < 0)
		return module->file;
	if (!image_offset(&module->image, function, &offset) ||
	    !is_same(follow->remote, module, function, offset, code))
		return -ESTALE;
	offset += prologue_skip(code, !returns);
	return descriptors_spare(follow->descriptors,
				 probe_attach(program, returns, module->file, offset, entry->tgid));
}

/* It may have ended while we looked: then what was read, or not, says nothing. */
static bool is_over(const struct follow *follow, const struct modules *modules)
{
	uint8_t byte;

	return remote_bulk(follow->remote, modules->python.image.segments[0].start, &byte, 1) != 1;
}

/* Begins to follow by the way that was found. */
static bool start(struct follow *follow, struct entry *entry, const struct modules *modules,
		  const struct python *found)
{
	const char *why = probe_forbidden(remote_filtered(entry->folder));
	enum refusal refusal = REFUSAL_SECCOMP;
	int probe = -EPERM;

	if (!why) {
		probe = set_probe(follow, entry, &modules->python, found->copy,
				  follow->kernel.copied, true);
		refusal = refusal_of_probe(probe);
	}
	if (probe < 0) {
		if (!is_over(follow, modules))
			refusals_add(&follow->refusals, refusal, entry->tgid, why, why ? 0 : probe);
		return false;
	}
	entry->probes[0] = probe;
	entry->way = found->way;
	return true;
}

/* What makes contexts of nobody is rarely called: not for those that are gone in a moment. */
static void follow_makers(struct follow *follow, struct entry *entry, const struct modules *modules,
			  const struct python *found)
{
	if (entry->makers || entry->pause < SEARCH_FROM)
		return;
	entry->makers = true;
	for (int i = 0; i < PYTHON_MAKERS; i++)
		entry->probes[6 + i] = set_probe(follow, entry, &modules->python, found->make[i],
						 follow->kernel.made, true);
}

/* Where it goes from thread to thread without a context: run_in_executor() of asyncio. */
static void follow_queue(struct follow *follow, struct entry *entry, const struct modules *modules)
{
	const struct module *module = modules->queue.found ? &modules->queue : &modules->python;
	struct python_queue queue;

	/* To search the interpreter takes milliseconds: not for those that are gone in a moment. */
	if (!modules->queue.found && (entry->searched || entry->pause < SEARCH_FROM))
		return;
	entry->searched |= !modules->queue.found;
	if (entry->way.queue || python_queue(follow->remote, &module->image, &queue))
		return;
	entry->probes[1] = set_probe(follow, entry, module, queue.put, follow->kernel.put, false);
	entry->probes[2] = set_probe(follow, entry, module, queue.get, follow->kernel.got, true);
	entry->probes[3] =
		set_probe(follow, entry, module, queue.get_nowait, follow->kernel.got, true);
	entry->way.queue = 1;
}

/* What goes through an event loop that sends later. */
static void follow_streams(struct follow *follow, struct entry *entry,
			   const struct modules *modules)
{
	const struct module *module = &modules->uvloop;
	int program = follow->kernel.written;
	struct python_stream stream;

	if (entry->asked || !module->found)
		return;
	entry->asked = true;
	if (python_stream(follow->remote, &module->image, &stream))
		return;
	entry->probes[4] = set_probe(follow, entry, module, stream.write, program, false);
	entry->probes[5] = set_probe(follow, entry, module, stream.writelines, program, false);
	entry->way.streams = entry->probes[4] >= 0 && entry->probes[5] >= 0;
}

/* False: the process is none of ours, or cannot be. */
static bool look_python(struct follow *follow, struct entry *entry, const struct modules *modules)
{
	struct task_way before = entry->way;
	struct python found;
	const char *why;
	int error = python_find(follow->remote, &modules->python.image, &found, &why);

	if (error == -EAGAIN) {
		log_debug(LOGGER, "process %u: not now: %s", entry->tgid, why);
		return true;
	}
	if (error) {
		if (!is_over(follow, modules))
			refusals_add(&follow->refusals,
				     error == -ENOTSUP ? REFUSAL_VERSION : REFUSAL_LAYOUT,
				     entry->tgid, why, 0);
		return false;
	}
	if (entry->state == WAITING && !start(follow, entry, modules, &found))
		return false;
	found.way.process = before.process;
	found.way.tgid = before.tgid;
	found.way.queue = before.queue;
	found.way.streams = before.streams;
	entry->way = found.way;
	follow_makers(follow, entry, modules, &found);
	follow_queue(follow, entry, modules);
	follow_streams(follow, entry, modules);
	if (entry->state == FOLLOWED && memcmp(&before, &entry->way, sizeof(before)) == 0) {
		entry->confirmed = true;
		return true;
	}
	error = ways_set(follow->ways, place_of(follow, entry), &entry->way);
	if (error) {
		refusals_add(&follow->refusals, REFUSAL_OTHER, entry->tgid,
			     "the kernel side does not take it", error);
		return false;
	}
	entry->state = FOLLOWED;
	log_debug(LOGGER,
		  "process %u: CPython%s, state at thread pointer %+d or %+d, context at %u%s%s%s",
		  entry->tgid, entry->way.head ? " without GIL" : "", entry->way.slot[0],
		  entry->way.slot[1], entry->way.context,
		  entry->way.inside ? ", its inside known" : "", entry->way.queue ? ", queues" : "",
		  entry->way.streams ? ", streams" : "");
	return true;
}

/* The pointer to the goroutine is the first word below the thread pointer; each use is checked. */
static bool look_go(struct follow *follow, struct entry *entry)
{
	entry->way.kind = TASK_WAY_GO;
	entry->way.slot[0] = -8;
	entry->due = UINT64_MAX;
	entry->state = FOLLOWED;
	return ways_set(follow->ways, place_of(follow, entry), &entry->way) == 0;
}

static bool look(struct follow *follow, struct entry *entry)
{
	int error = remote_open(follow->remote, entry->folder);
	struct modules modules;
	bool keep = false;

	if (!error)
		error = modules_find(follow->remote, &modules);
	if (!error) {
		if (modules.python.found)
			keep = look_python(follow, entry, &modules);
		else if (modules.go)
			keep = look_go(follow, entry);
		modules_close(&modules);
	} else if (error != -ESRCH && remote_lives(entry->folder)) {
		refusals_add(&follow->refusals, REFUSAL_MEMORY, entry->tgid,
			     error == -EACCES || error == -EPERM ?
				     "its memory cannot be read: CAP_SYS_PTRACE is missing, or a "
				     "security module forbids it" :
				     NULL,
			     error);
	}
	remote_close(follow->remote);
	return keep;
}

/* ---- time ---- */

static void look_and_plan(struct follow *follow, struct entry *entry, uint64_t now)
{
	if (!look(follow, entry)) {
		forget(follow, entry);
		return;
	}
	if (entry->due == UINT64_MAX || (entry->confirmed && entry->way.queue && entry->makers)) {
		entry->due = UINT64_MAX;
		return;
	}
	entry->due = now + entry->pause;
	entry->pause = entry->pause * 3 < LOOK_MOST ? entry->pause * 3 : LOOK_MOST;
}

/* Processes that are over, and ways that do not lead there any more. */
static void check(struct follow *follow, uint64_t now)
{
	follow->checked = now;
	for (size_t i = 0; i < follow->end; i++) {
		struct entry *entry = &follow->entries[i];

		if (entry->state == FREE)
			continue;
		if (!remote_lives(entry->folder)) {
			forget(follow, entry);
		} else if (entry->state == FOLLOWED && ways_broken(follow->ways, i)) {
			log_debug(LOGGER, "process %u: contradicted", entry->tgid);
			stop(follow, entry);
			entry->due = now;
			entry->pause = LOOK_FIRST;
			follow->due = now;
		}
	}
}

void follow_run(struct follow *follow, uint64_t now, uint64_t budget)
{
	uint64_t end = now + budget;

	if (now - follow->checked >= CHECK_NS)
		check(follow, now);
	if (now < follow->due)
		return;
	follow->due = UINT64_MAX;
	for (size_t i = 0; i < follow->end; i++) {
		struct entry *entry = &follow->entries[i];

		if (entry->state != FREE && entry->due <= now && now <= end) {
			look_and_plan(follow, entry, now);
			now = clock_now();
		}
		if (entry->state != FREE && entry->due < follow->due)
			follow->due = entry->due;
	}
}

/* ---- life ---- */

/* A free entry, NULL when there is none. Of the same number another program may have run. */
static struct entry *find_room(struct follow *follow, uint32_t tgid)
{
	struct entry *room = NULL;

	for (size_t i = 0; i < follow->end; i++) {
		if (follow->entries[i].state != FREE && follow->entries[i].tgid == tgid)
			forget(follow, &follow->entries[i]);
	}
	for (size_t i = 0; i < follow->limit && !room; i++) {
		if (follow->entries[i].state == FREE)
			room = &follow->entries[i];
	}
	if (room && room >= follow->entries + follow->end)
		follow->end = (size_t)(room - follow->entries) + 1;
	return room;
}

void follow_process(struct follow *follow, uint32_t tgid, uint64_t process)
{
	struct entry *entry;
	int folder;

	for (size_t i = 0; i < follow->end; i++) {
		entry = &follow->entries[i];
		if (entry->state != FREE && entry->tgid == tgid && entry->way.process == process)
			return;
	}
	folder = descriptors_spare(follow->descriptors, remote_folder(tgid));
	entry = folder < 0 ? NULL : find_room(follow, tgid);
	if (!entry) {
		if (folder == -EMFILE)
			refusals_add(&follow->refusals, REFUSAL_FILES, tgid, NULL, 0);
		if (folder < 0)
			return;
		refusals_add(&follow->refusals, REFUSAL_ROOM, tgid, NULL, 0);
		close(folder);
		return;
	}
	*entry = (struct entry){ .tgid = tgid,
				 .state = WAITING,
				 .way = { .process = process, .tgid = tgid },
				 .pause = LOOK_FIRST,
				 .folder = folder,
				 .probes = { -1, -1, -1, -1, -1, -1, -1, -1 } };
	follow->due = 0;
}

struct follow_counts follow_counts(const struct follow *follow)
{
	struct follow_counts counts = { 0 };

	memcpy(counts.refused, follow->refusals.counts, sizeof(counts.refused));
	for (size_t i = 0; i < follow->end; i++) {
		const struct entry *entry = &follow->entries[i];

		if (entry->state == FOLLOWED)
			counts.followed[entry->way.kind == TASK_WAY_GO ? FOLLOW_GO :
									 FOLLOW_PYTHON]++;
		counts.waiting += entry->state == WAITING;
		for (int k = 0; entry->state != FREE && k < PROBES; k++)
			counts.probes += entry->probes[k] >= 0;
	}
	return counts;
}

int follow_new(const struct follow_kernel *kernel, size_t limit, struct follow **ret)
{
	struct follow *follow = calloc(1, sizeof(*follow));

	if (!follow)
		return -ENOMEM;
	follow->kernel = *kernel;
	follow->limit = limit;
	follow->due = UINT64_MAX;
	closer_init(&follow->closer);
	/* Who starts says it, once for all processes. */
	follow->unprobed = probe_check();
	follow->refusals.known = follow->unprobed ? refusal_of_probe(follow->unprobed) : REFUSALS;
	follow->descriptors = descriptors_raise();
	follow->entries = calloc(limit, sizeof(*follow->entries));
	follow->remote = calloc(1, sizeof(*follow->remote));
	if (!follow->entries || !follow->remote ||
	    ways_new(kernel->ways, kernel->places, limit, &follow->ways)) {
		follow_free(follow);
		return -ENOMEM;
	}
	*ret = follow;
	return 0;
}

int follow_unprobed(const struct follow *follow)
{
	return follow->unprobed;
}

void follow_free(struct follow *follow)
{
	if (!follow)
		return;
	for (size_t i = 0; follow->entries && i < follow->limit; i++) {
		if (follow->entries[i].state != FREE)
			forget(follow, &follow->entries[i]);
	}
	closer_free(&follow->closer);
	ways_free(follow->ways);
	free(follow->entries);
	free(follow->remote);
	free(follow);
}
