/* SPDX-License-Identifier: Apache-2.0 */
#include "privileges.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/probe.h"
#include "util/kernel.h"
#include "util/path.h"

#define CAPABILITIES 64
#define TRIES 4096  /* processes looked at */
#define PROTECTED 8 /* so many may be out of reach on their own account */
#define BIT(capability) (1ULL << (capability))
/* From 5.19 on (c8644cd0efe7) an open map can be used whatever unprivileged_bpf_disabled says. */
#define DESCRIPTORS_SUFFICE KERNEL(5, 19)
/* From 5.11 on maps are charged to the memory cgroup, not to RLIMIT_MEMLOCK. */
#define MEMLOCK_UNUSED KERNEL(5, 11)

const struct privilege privileges[] = {
	{ CAP_BPF, "CAP_BPF", "load programs and make maps", NULL, false },
	{ CAP_PERFMON, "CAP_PERFMON", "attach programs that read the memory of kernel and callers",
	  NULL, false },
	{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "read /proc of other users' processes",
	  PRIVILEGES_UNREAD, true },
	{ CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH",
	  "find a cgroup by its number, and read files that their owner alone may read",
	  "cgroups of short-lived processes are searched for, directory by directory", true },
	{ CAP_SYS_NICE, "CAP_SYS_NICE", "read records in time on a busy node",
	  "the ring buffer has less reserve", false },
	{ 0, NULL, NULL, NULL, false },
};

/* ---- what is held ---- */

static int get_sets(struct __user_cap_data_struct ret[_LINUX_CAPABILITY_U32S_3])
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };

	return syscall(SYS_capget, &head, ret) ? -errno : 0;
}

uint64_t privileges_held(void)
{
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	if (get_sets(sets))
		return 0;
	return sets[0].effective | (uint64_t)sets[1].effective << 32;
}

bool privileges_suffice(uint64_t held, unsigned int capability)
{
	if (held & BIT(capability))
		return true;
	return (capability == CAP_BPF || capability == CAP_PERFMON) && held & BIT(CAP_SYS_ADMIN);
}

void privileges_list(uint64_t set, char *ret, size_t size)
{
	size_t used = 0;
	char number[8];

	ret[0] = '\0';
	for (unsigned int i = 0; i < CAPABILITIES && used < size; i++) {
		const struct privilege *at = privileges;
		const char *name = number;

		if (!(set & BIT(i)))
			continue;
		while (at->name && at->capability != i)
			at++;
		snprintf(number, sizeof(number), "%u", i);
		if (at->name)
			name = at->name;
		else if (i == CAP_SYS_ADMIN)
			name = "CAP_SYS_ADMIN";
		used += (size_t)snprintf(ret + used, size - used, "%s%s", used ? " " : "", name);
	}
}

/* ---- other processes ---- */

/*
 * Links and mappings ask for less than memory does. Whoever holds the capability is refused by
 * security modules alone; what is no process, is over or has no memory answers something else.
 */
static bool is_refused(int proc, const char *name)
{
	char path[32], target[8];
	int fd;

	snprintf(path, sizeof(path), "%.16s/exe", name);
	if (readlinkat(proc, path, target, sizeof(target)) < 0 &&
	    (errno == EACCES || errno == EPERM))
		return true;
	snprintf(path, sizeof(path), "%.16s/mem", name);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES || errno == EPERM;
	close(fd);
	return false;
}

/* A confinement keeps us from kernel threads too, of which there are dozens on any machine. */
static bool are_refused(void)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	int tries = 0, refused = 0;

	while (dir && refused <= PROTECTED && tries < TRIES && (entry = readdir(dir))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		tries++;
		refused += is_refused(dirfd(dir), entry->d_name);
	}
	if (dir)
		closedir(dir);
	return refused > PROTECTED;
}

bool privileges_barred(char *who, size_t size, const char **ret_advice)
{
	char text[128];

	if (!(privileges_held() & BIT(CAP_SYS_PTRACE)) || !are_refused())
		return false;
	path_first_line("/proc/self/attr/apparmor/current", text, sizeof(text));
	if (text[0] && strcmp(text, "unconfined") != 0) {
		snprintf(who, size, "AppArmor's profile %s", text);
		*ret_advice = "run it unconfined: in Kubernetes securityContext.appArmorProfile: "
			      "{type: Unconfined}, in Docker --security-opt apparmor=unconfined";
		return true;
	}
	path_first_line("/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text));
	if (strcmp(text, "3") == 0) {
		snprintf(who, size, "kernel.yama.ptrace_scope, which is 3,");
		*ret_advice = "set it to 2 or less, which takes a restart of the machine";
		return true;
	}
	path_first_line("/proc/self/attr/current", text, sizeof(text));
	snprintf(who, size, "a security module%s%s", text[0] ? ", in its context " : "", text);
	*ret_advice = "give it a context that may read all processes";
	return true;
}

/* ---- why it was refused ---- */

static bool is_memlock_low(void)
{
	struct rlimit limit;

	return kernel_version() < MEMLOCK_UNUSED && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
	       limit.rlim_cur != RLIM_INFINITY;
}

bool privileges_filtered(void)
{
	char line[128];
	bool found = false;
	FILE *file = fopen("/proc/self/status", "re");

	while (file && !found && fgets(line, sizeof(line), file))
		found = strncmp(line, "Seccomp:\t2", 10) == 0;
	if (file)
		fclose(file);
	return found;
}

void privileges_explain(char *ret, size_t size)
{
	uint64_t held = privileges_held();
	size_t used = 0;

	for (const struct privilege *at = privileges; at->name && !at->loss; at++) {
		if (!privileges_suffice(held, at->capability) && used < size)
			used += (size_t)snprintf(ret + used, size - used,
						 "%s%s is missing: needed to %s", used ? "; " : "",
						 at->name, at->purpose);
	}
	if (used)
		return;
	if (is_memlock_low())
		snprintf(ret, size,
			 "RLIMIT_MEMLOCK is too low for the maps: needed before Linux 5.11 is "
			 "`ulimit -l unlimited`, LimitMEMLOCK=infinity or CAP_SYS_RESOURCE; less "
			 "limits.ring_bytes and limits.connections need less of it");
	else if (privileges_filtered())
		snprintf(ret, size,
			 "no capability is missing, but a seccomp filter is in force: it has to "
			 "allow bpf()");
	else
		snprintf(ret, size,
			 "no capability is missing: a policy of this kernel (lockdown, a security "
			 "module) forbids it");
}

/* ---- giving up ---- */

/* CAP_SETPCAP is needed to take from the bounding set: it goes last. */
static int drop_bounding(uint64_t keep)
{
	int result = 0;

	for (unsigned int i = 0; i < CAPABILITIES; i++) {
		if (keep & BIT(i) || prctl(PR_CAPBSET_READ, i, 0, 0, 0) != 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) && !result)
			result = -errno;
	}
	return result;
}

/* Permitted stays as it is where `permitted` is false. */
static int set_held(uint64_t keep, bool permitted)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
	int result = get_sets(sets);

	for (int i = 0; !result && i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t half = (uint32_t)(keep >> (32 * i));

		if (permitted)
			sets[i].permitted &= half;
		sets[i].effective = sets[i].permitted & half;
		sets[i].inheritable = 0;
	}
	if (!result && syscall(SYS_capset, &head, sets))
		result = -errno;
	return result;
}

static uint64_t kept(void)
{
	uint64_t keep = 0;

	for (const struct privilege *at = privileges; at->name; at++) {
		if (at->kept)
			keep |= BIT(at->capability);
	}
	return keep;
}

/*
 * Whether open maps can be used with what is effective now, tried on none. Before 5.19 it hangs on
 * a setting, which may change while we run.
 */
static bool can_use_maps(void)
{
	union bpf_attr attributes = { .map_fd = (uint32_t)-1 };

	syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attributes, sizeof(attributes));
	return errno == EBADF && kernel_version() >= DESCRIPTORS_SUFFICE;
}

uint64_t privileges_for_probes(void)
{
	static const uint64_t enough[] = { 0, BIT(CAP_PERFMON), BIT(CAP_SYS_ADMIN) };
	uint64_t least = 0;
	bool found = false;

	for (size_t i = 0; !found && i < sizeof(enough) / sizeof(enough[0]); i++) {
		found = !set_held(kept() | enough[i], false) && !probe_check();
		least = found ? enough[i] : 0;
	}
	set_held(UINT64_MAX, false); /* what was held before */
	return least;
}

int privileges_reduce(uint64_t beside, uint64_t *ret_kept)
{
	uint64_t keep = kept() | beside, held = privileges_held();
	int result, error;

	result = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
	error = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) ? -errno : 0;
	result = result ? result : error;
	/* Nothing is executed any more, so a bounding set that has to stay does no harm. */
	if (held & BIT(CAP_SETPCAP)) {
		error = drop_bounding(keep);
		result = result ? result : error;
	}
	error = set_held(keep, false);
	if (!error && !can_use_maps())
		keep |= held & BIT(CAP_BPF) ? BIT(CAP_BPF) : BIT(CAP_SYS_ADMIN);
	if (!error)
		error = set_held(keep, true);
	*ret_kept = privileges_held();
	return result ? result : error;
}
