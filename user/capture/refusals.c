/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/refusals.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "log.h"
#include "util/clock.h"

#define LOGGER "onlooker.tasks"
#define REPEAT_NS (60 * NSEC_PER_SEC)

const char *const refusal_names[REFUSALS] = {
	[REFUSAL_ROOM] = "no_room",	   [REFUSAL_VERSION] = "version",
	[REFUSAL_LAYOUT] = "layout",	   [REFUSAL_MEMORY] = "memory_unreadable",
	[REFUSAL_PRIVILEGE] = "privilege", [REFUSAL_FILES] = "open_files",
	[REFUSAL_REPLACED] = "replaced",   [REFUSAL_SECCOMP] = "seccomp",
	[REFUSAL_PROCESSOR] = "processor", [REFUSAL_OTHER] = "other",
};

static const char *const texts[REFUSALS] = {
	[REFUSAL_ROOM] = "as many are followed as may be",
	[REFUSAL_VERSION] = "its interpreter is too old",
	[REFUSAL_LAYOUT] = "its interpreter is not laid out as expected",
	[REFUSAL_MEMORY] = "its memory cannot be read",
	[REFUSAL_PRIVILEGE] =
		"no probe can be set: CAP_PERFMON is missing, on some kernels CAP_SYS_ADMIN",
	[REFUSAL_FILES] = "no probe can be set, there are too many open files: raise RLIMIT_NOFILE",
	[REFUSAL_REPLACED] = "the file of its interpreter was replaced since it started",
	[REFUSAL_SECCOMP] = "it is under a seccomp filter",
	[REFUSAL_PROCESSOR] = "this machine's processor is not known that well",
	[REFUSAL_OTHER] = "no probe can be set",
};

enum refusal refusal_of_probe(int error)
{
	switch (-error) {
	case EACCES:
	case EPERM:
		return REFUSAL_PRIVILEGE;
	case EMFILE:
		return REFUSAL_FILES;
	case ESTALE:
		return REFUSAL_REPLACED;
	case EOPNOTSUPP:
		return REFUSAL_PROCESSOR;
	default:
		return REFUSAL_OTHER;
	}
}

void refusals_add(struct refusals *refusals, enum refusal refusal, uint32_t tgid, const char *why,
		  int error)
{
	uint64_t now = clock_now();
	bool again = refusal == refusals->known || (refusals->when && refusal == refusals->said &&
						    now - refusals->when < REPEAT_NS);
	const char *text = error ? strerror(-error) : "";

	refusals->counts[refusal]++;
	why = why ? why : texts[refusal];
	if (again) {
		log_debug(LOGGER, "process %u: calls are told by thread only: %s%s%s", tgid, why,
			  error ? ": " : "", text);
		return;
	}
	log_warning(LOGGER, "process %u: calls are told by thread only: %s%s%s", tgid, why,
		    error ? ": " : "", text);
	refusals->said = refusal;
	refusals->when = now;
}
