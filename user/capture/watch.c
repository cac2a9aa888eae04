/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/watch.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/cgroup.h"
#include "util/path.h"

_Static_assert(CONFIG_WATCHES <= WATCH_RULES, "a bit for each entry");

struct rule {
	char *executable;
	char *cgroup;
};

struct watch {
	struct rule rules[CONFIG_WATCHES];
	size_t count;
	uint32_t generation;
	uint64_t exclude; /* rules that exclude whatever the port */
	bool needs_facts; /* some rule asks for more than a port */
	struct cgroup_mount mounts[CGROUP_MOUNTS];
	size_t mount_count;
};

static int copy_text(const char *text, char **ret)
{
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

int watch_compile(const struct config_watch *entries, uint32_t generation, struct watch **ret,
		  struct watch_config *ret_config)
{
	struct watch_config config = { .generation = generation,
				       .rules = (uint32_t)entries->count };
	struct watch *watch = calloc(1, sizeof(*watch));
	size_t i;

	if (!watch)
		return -ENOMEM;
	watch->generation = generation;
	watch->count = entries->count;
	for (i = 0; i < entries->count; i++) {
		const struct config_watch_entry *entry = &entries->entries[i];
		uint64_t bit = 1ULL << i;

		if (copy_text(entry->executable, &watch->rules[i].executable) ||
		    copy_text(entry->cgroup, &watch->rules[i].cgroup)) {
			watch_free(watch);
			return -ENOMEM;
		}
		watch->needs_facts |= entry->executable || entry->cgroup;
		config.include |= entry->exclude ? 0 : bit;
		config.exclude |= entry->exclude ? bit : 0;
		config.ported |= entry->port ? bit : 0;
		config.port[i] = entry->port;
	}
	watch->exclude = config.exclude & ~config.ported;
	watch->mount_count = cgroup_mounts(watch->mounts, CGROUP_MOUNTS);
	*ret = watch;
	*ret_config = config;
	return 0;
}

void watch_free(struct watch *watch)
{
	size_t i;

	if (!watch)
		return;
	for (i = 0; i < watch->count; i++) {
		free(watch->rules[i].executable);
		free(watch->rules[i].cgroup);
	}
	free(watch);
}

static bool match_path(const char *glob, const char *path)
{
	if (!path[0])
		return false;
	return fnmatch(glob, strchr(glob, '/') ? path : path_base(path), 0) == 0;
}

/*
 * Of a path that was cut the end is known. A glob without wildcards is compared with that much of
 * it, one with them must match the end alone: what cannot be told does not hold.
 */
static bool match_end(const char *glob, const char *end)
{
	size_t size = strlen(glob), tail = strlen(end);

	if (!strchr(glob, '/') || strpbrk(glob, "*?[\\"))
		return match_path(glob, end);
	return size >= tail && strcmp(glob + size - tail, end) == 0;
}

static bool match_executable(const char *glob, const struct procfs_facts *facts)
{
	if (match_path(glob, facts->executable))
		return true;
	return facts->started_cut ? match_end(glob, facts->started_as) :
				    match_path(glob, facts->started_as);
}

static bool match_cgroup_path(const char *glob, const char *path)
{
	if (glob[0] != '/' && path[0] == '/' && path[1])
		path++;
	return fnmatch(glob, path, FNM_LEADING_DIR) == 0;
}

/* The path in a hierarchy as it is seen below one of its mounts, "" where it is not below. */
static void mounted_path(const struct cgroup_mount *mount, const char *path, char *ret, size_t size)
{
	size_t prefix = mount->root[1] ? strlen(mount->root) : 0;

	ret[0] = '\0';
	if (strncmp(path, mount->root, prefix) != 0 || (path[prefix] && path[prefix] != '/'))
		return;
	path += prefix;
	snprintf(ret, size, "%s%s", mount->point, path[0] == '/' && !path[1] ? "" : path);
}

static bool match_mounted(const struct watch *watch, const char *glob, const char *controllers,
			  const char *path)
{
	char mounted[8192];
	size_t i;

	for (i = 0; i < watch->mount_count; i++) {
		if (strcmp(watch->mounts[i].controllers, controllers) != 0)
			continue;
		mounted_path(&watch->mounts[i], path, mounted, sizeof(mounted));
		if (mounted[0] && fnmatch(glob, mounted, FNM_LEADING_DIR) == 0)
			return true;
	}
	return false;
}

static bool match_cgroup(const struct watch *watch, const char *glob, const char *cgroups)
{
	char line[8192];
	const char *at, *end;

	for (at = cgroups; *at; at = *end ? end + 1 : end) {
		char *controllers, *path;

		end = strchrnul(at, '\n');
		snprintf(line, sizeof(line), "%.*s", (int)(end - at), at);
		controllers = strchr(line, ':');
		path = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		if (match_cgroup_path(glob, path) ||
		    match_mounted(watch, glob, controllers + 1, path))
			return true;
	}
	return false;
}

uint64_t watch_bits(const struct watch *watch, const struct procfs_facts *facts)
{
	uint64_t bits = 0;
	size_t i;

	for (i = 0; i < watch->count; i++) {
		const struct rule *rule = &watch->rules[i];

		if (rule->executable && !match_executable(rule->executable, facts))
			continue;
		if (rule->cgroup && !match_cgroup(watch, rule->cgroup, facts->cgroups))
			continue;
		bits |= 1ULL << i;
	}
	/* A process excluded on all ports needs no other bit. */
	if (bits & watch->exclude)
		bits &= watch->exclude;
	return bits;
}

struct process_watch watch_judge(const struct watch *watch, uint32_t tgid,
				 const struct event_process *hint)
{
	struct process_watch verdict = { .generation = watch->generation };
	struct procfs_facts facts;

	facts.started_as[0] = facts.executable[0] = facts.cgroups[0] = '\0';
	facts.started_cut = false;
	if (watch->needs_facts)
		procfs_facts(tgid, hint, &facts);
	verdict.bits = watch_bits(watch, &facts);
	return verdict;
}

bool watch_decides(const struct watch_config *config, uint64_t bits, uint16_t local_port,
		   uint16_t remote_port, bool any_port)
{
	if (any_port)
		return !(bits & config->exclude & ~config->ported) &&
		       (!config->include || bits & config->include);
	for (uint32_t i = 0; i < config->rules; i++) {
		if (config->ported >> i & 1 && config->port[i] != local_port &&
		    config->port[i] != remote_port)
			bits &= ~(1ULL << i);
	}
	return !(bits & config->exclude) && (!config->include || bits & config->include);
}
