/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/service.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "capture/interpreter.h"
#include "capture/procfs.h"
#include "util/path.h"
#include "util/utf8.h"

#define ARGS_SIZE (128 * 1024)
#define PARENTS 4

struct service_reader {
	struct procfs_facts facts;
	char args[ARGS_SIZE];
};

int service_reader_new(struct service_reader **ret)
{
	struct service_reader *reader = malloc(sizeof(*reader));

	if (!reader)
		return -ENOMEM;
	*ret = reader;
	return 0;
}

void service_reader_free(struct service_reader *reader)
{
	free(reader);
}

/* A program run through a descriptor or through its own link: the file's name says more. */
static bool is_indirect(const char *path)
{
	return strncmp(path, "/proc/", 6) == 0 ||
	       (strncmp(path, "/dev/fd/", 8) == 0 && !strchr(path + 8, '/'));
}

static size_t read_args(struct service_reader *reader, uint32_t tgid,
			const struct event_process *hint)
{
	size_t size;
	ssize_t n;

	if (reader->facts.live) {
		n = procfs_read(tgid, "cmdline", reader->args, ARGS_SIZE);
		if (n > 0)
			return (size_t)n;
	}
	size = hint ? hint->args_size : 0;
	if (size >= sizeof(hint->args)) {
		/* The last argument was cut: half a name is worse than none. */
		size = sizeof(hint->args);
		while (size > 0 && hint->args[size - 1])
			size--;
	}
	if (size > 0)
		memcpy(reader->args, hint->args, size);
	reader->args[size] = '\0';
	return size;
}

static const char *choose_start(struct service_reader *reader, uint32_t tgid)
{
	struct procfs_facts *facts = &reader->facts;

	if (facts->started_as[0] && !is_indirect(facts->started_as))
		return facts->started_as;
	if (facts->executable[0])
		return facts->executable;
	if (facts->started_as[0])
		return reader->args[0] ? reader->args : facts->started_as;
	/*
	 * Neither may be read. What anyone may read is the name of its thread, and its arguments:
	 * of an interpreter they tell more (Node calls its thread MainThread).
	 */
	if (interpreter_find(path_base(reader->args)))
		return reader->args;
	procfs_thread_name(tgid, facts->started_as, sizeof(facts->started_as));
	return facts->started_as;
}

/* Names the program of the process whose facts are gathered. */
static enum program_kind name_process(struct service_reader *reader, uint32_t tgid,
				      const struct event_process *hint, char ret[PROGRAM_NAME_SIZE])
{
	size_t size = read_args(reader, tgid, hint);

	return program_name(choose_start(reader, tgid), reader->args, size, ret);
}

/* Whether both run in an interpreter of the same kind, be it of another version or place. */
static bool same_interpreter(uint32_t a, uint32_t b)
{
	const struct interpreter *kind[2];
	const uint32_t tgid[] = { a, b };
	char path[PATH_MAX];
	int i;

	for (i = 0; i < 2; i++) {
		if (procfs_executable(tgid[i], path, sizeof(path)))
			return false;
		kind[i] = interpreter_find(path_base(path));
	}
	return kind[0] && kind[0] == kind[1];
}

/*
 * A worker is called as the process is that started it, and so is a fork that lost its arguments to
 * a title of its own. Through a few generations: worker, fork server, main process.
 */
static void name_after_parent(struct service_reader *reader, uint32_t tgid, enum program_kind kind,
			      char ret[PROGRAM_NAME_SIZE])
{
	char name[PROGRAM_NAME_SIZE] = "";
	int i;

	for (i = 0; i < PARENTS && kind != PROGRAM_OWN; i++) {
		uint32_t parent = procfs_parent(tgid);

		if (parent <= 1)
			return;
		if (!procfs_forked(tgid, parent) &&
		    (kind != PROGRAM_WORKER || !same_interpreter(tgid, parent)))
			return;
		procfs_facts(parent, NULL, &reader->facts);
		kind = name_process(reader, parent, NULL, name);
		tgid = parent;
	}
	if (kind == PROGRAM_OWN && name[0])
		memcpy(ret, name, sizeof(name));
}

int service_read(struct service_reader *reader, uint32_t tgid, const struct event_process *hint,
		 char ret_name[PROGRAM_NAME_SIZE], struct owner *ret_owner)
{
	enum program_kind kind;
	bool live;

	procfs_facts(tgid, hint, &reader->facts);
	live = reader->facts.live;
	if (!live && !hint)
		return -ENOENT;
	owner_read(reader->facts.cgroups, ret_owner);
	utf8_copy(ret_name, PROGRAM_NAME_SIZE, ret_owner->service);
	if (ret_name[0])
		return 0;
	kind = name_process(reader, tgid, hint, ret_name);
	if (kind != PROGRAM_OWN && live)
		name_after_parent(reader, tgid, kind, ret_name);
	return 0;
}
