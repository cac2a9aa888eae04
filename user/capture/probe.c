/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/probe.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/kernel.h"

#define PMU "/sys/bus/event_source/devices/uprobe/"
/* The system call came with 6.11 (ff474a78cef5); 6.14 lets it pass filters (cf6cb56ef244). */
#define CALL_FROM KERNEL(6, 11)
#define CALL_PASSES KERNEL(6, 14)

static int read_number(const char *path, const char *format, unsigned int *ret)
{
	FILE *file = fopen(path, "re");
	int n = 0;

	if (!file)
		return -errno;
	n = fscanf(file, format, ret);
	fclose(file);
	return n == 1 ? 0 : -EINVAL;
}

static int open_event(const char *path, uint64_t offset, bool returns, uint32_t tgid)
{
	struct perf_event_attr event = { .size = sizeof(event),
					 .config1 = (uint64_t)(uintptr_t)path,
					 .config2 = offset };
	unsigned int type, bit = 0;
	int error = read_number(PMU "type", "%u", &type);
	int fd;

	if (!error && returns)
		error = read_number(PMU "format/retprobe", "config:%u", &bit);
	if (error)
		return error;
	event.type = type;
	/* The program runs all the same, and the process pays nothing when it is switched to. */
	event.disabled = 1;
	event.config = returns ? 1ULL << bit : 0;
	fd = (int)syscall(SYS_perf_event_open, &event, (pid_t)tgid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int probe_attach(int program, bool returns, int file, uint64_t offset, uint32_t tgid)
{
	char path[32];
	int fd, error;

	/* Whatever its path is, and in whose root. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	fd = open_event(path, offset, returns, tgid);
	if (fd < 0)
		return fd;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, program)) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

/* Tried on a byte of our own that is not executed. */
int probe_check(void)
{
	int fd = open_event("/proc/self/exe", 0, false, (uint32_t)getpid());

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

const char *probe_explain(int error, uint64_t held)
{
	switch (-error) {
	case EACCES:
	case EPERM:
		if (held >> CAP_SYS_ADMIN & 1)
			return "a policy of this kernel forbids it";
		return held >> CAP_PERFMON & 1 ?
			       "CAP_SYS_ADMIN is missing, which this kernel asks for" :
			       "CAP_PERFMON is missing, on some kernels CAP_SYS_ADMIN";
	case ENOENT:
		return "this kernel has none (CONFIG_UPROBE_EVENTS), or /sys is not mounted";
	default:
		return strerror(-error);
	}
}

const char *probe_forbidden(bool filtered)
{
	unsigned int version = kernel_version();

	if (!filtered || version < CALL_FROM || version >= CALL_PASSES)
		return NULL;
	return "it is under a seccomp filter, and before Linux 6.14 that may forbid the call by "
	       "which a probed function is left";
}
