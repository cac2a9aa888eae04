/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watch filter, as far as user space decides it: which rules a process satisfies. The kernel
 * side adds the ports and combines (event.h).
 *
 * Rule i is entry i of the configuration. In its globs `*` matches any characters, '/' too.
 * An executable glob without '/' is matched with the base name, else with the whole path, of the
 * file that runs and of the one that was started (a link, a script). A cgroup glob is matched with
 * the process's path in every hierarchy, as /proc/PID/cgroup has it and with the mount point in
 * front; it also matches everything below what it names.
 */
#ifndef ONLOOKER_WATCH_H
#define ONLOOKER_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/procfs.h"
#include "config.h"
#include "event.h"

struct watch;

/*
 * Compiles the entries, which are copied. `generation` names this set of rules, *ret_config is for
 * the kernel side. 0 or -ENOMEM; watch_free() ends it. Reads the cgroup mounts.
 */
int watch_compile(const struct config_watch *entries, uint32_t generation, struct watch **ret,
		  struct watch_config *ret_config);
void watch_free(struct watch *watch);

/* The bits of the rules whose executable and cgroup conditions hold. */
uint64_t watch_bits(const struct watch *watch, const struct procfs_facts *facts);

/*
 * Judges a process: gathers its facts (procfs_facts(), about 50 microseconds) and returns what is
 * to be written for the kernel side.
 */
struct process_watch watch_judge(const struct watch *watch, uint32_t tgid,
				 const struct event_process *hint);

/*
 * What bits of a process mean for its connection between these ports. `any_port`: whether there is
 * a port with which it would be watched; the two given do not matter then.
 */
bool watch_decides(const struct watch_config *config, uint64_t bits, uint16_t local_port,
		   uint16_t remote_port, bool any_port);

#endif
