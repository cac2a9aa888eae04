/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a process is, as the labels of its series: a small number for a set of labels, the same for
 * all processes with equal labels. Resolved once per process and kept.
 *
 *	(tgid, start stamp) -> process: container, pod -> identity: service, namespace, pod ...
 *	                       LRU, PROCESSES_LIMIT       IDENTITIES_LIMIT, then service "other"
 */
#ifndef ONLOOKER_IDENTITY_H
#define ONLOOKER_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include "capture/owner.h"
#include "event.h"

#define IDENTITY_NONE 0	 /* nothing is known: every label is "" */
#define IDENTITY_OTHER 1 /* service "other": the sets of labels are used up */

#define PROCESSES_LIMIT 16384
#define IDENTITIES_LIMIT 4096

/* Valid UTF-8 without control characters, NUL-terminated; live as long as struct identities. */
struct identity {
	const char *service;
	const char *namespace;
	const char *pod;
	const char *container;
};

struct identity_process {
	uint32_t tgid;
	uint32_t identity;
	uint64_t process;
	char container_id[OWNER_CONTAINER_SIZE]; /* "" outside containers */
	char pod_uid[OWNER_POD_SIZE];		 /* "" outside pods */
};

struct identity_counts {
	size_t processes;  /* known now */
	size_t identities; /* sets of labels in use, the two fixed ones included */
	uint64_t evicted;  /* processes forgotten for lack of room */
	uint64_t refused;  /* processes that became IDENTITY_OTHER */
};

struct identities;

/* A new, empty table with these limits (at least 1 and 2). 0 or -ENOMEM; identities_free() ends it.
 */
int identities_new(size_t processes, size_t sets, struct identities **ret);
void identities_free(struct identities *identities);

/*
 * The identity of a process, named by its id and the kernel side's start stamp. Reads /proc at
 * first sight, or takes the kernel's record `hint` (may be NULL) where the process is gone.
 * IDENTITY_NONE where neither tells anything; asked again with a hint, such a process is resolved
 * anew. Costs a hash look-up for a process known already, else some 100 microseconds.
 */
uint32_t identity_resolve(struct identities *identities, uint32_t tgid, uint64_t process,
			  const struct event_process *hint);

/* The labels of an identity; of IDENTITY_NONE for a number never given. */
const struct identity *identity_get(const struct identities *identities, uint32_t identity);

/* What else is known of a resolved process, NULL where it is not (any more). Good until the next
 * resolve. */
const struct identity_process *identity_process(const struct identities *identities, uint32_t tgid,
						uint64_t process);

struct identity_counts identity_counts(const struct identities *identities);

#endif
