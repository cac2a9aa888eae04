/* SPDX-License-Identifier: Apache-2.0 */
/* Probes in a process's code by perf events: perf_event_open(2), "uprobe" in /sys/bus/event_source.
 */
#ifndef ONLOOKER_PROBE_H
#define ONLOOKER_PROBE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Runs the program (of type kprobe) whenever the process, in any thread, enters the function at
 * `offset` of the open file, or (`returns`) leaves it. Never on a function that may end on another
 * stack than it began. The descriptor, whose closing ends it; -errno.
 */
int probe_attach(int program, bool returns, int file, uint64_t offset, uint32_t tgid);

/*
 * 0 where what is effective now suffices (CAP_PERFMON, on some kernels only CAP_SYS_ADMIN), and the
 * kernel knows such probes. -errno; probe_explain() says what that means for whoever holds `held`
 * (privileges.h), without a full stop.
 */
int probe_check(void);
const char *probe_explain(int error, uint64_t held);

/*
 * Why probes at returns may not be set in a process under a seccomp filter: the kernel has it make
 * a system call that the filter may forbid, and the process would die. NULL where it is safe.
 */
const char *probe_forbidden(bool filtered);

#endif
