/* SPDX-License-Identifier: Apache-2.0 */
/* Why the logical tasks of processes are not told, but their threads only: said and counted. */
#ifndef ONLOOKER_REFUSALS_H
#define ONLOOKER_REFUSALS_H

#include <stdint.h>

enum refusal {
	REFUSAL_ROOM,	   /* as many are followed as may be */
	REFUSAL_VERSION,   /* of the interpreter */
	REFUSAL_LAYOUT,	   /* what is sought is not there */
	REFUSAL_MEMORY,	   /* cannot be read */
	REFUSAL_PRIVILEGE, /* of setting probes */
	REFUSAL_FILES,	   /* too many are open */
	REFUSAL_REPLACED,  /* the interpreter's file */
	REFUSAL_SECCOMP,   /* a filter is in force that could end the process */
	REFUSAL_PROCESSOR, /* is not known that well */
	REFUSAL_OTHER,
	REFUSALS,
};

/* Begins with `known` as REFUSALS, the rest zeroed. */
struct refusals {
	uint64_t counts[REFUSALS];
	enum refusal said; /* last, and when: ns, 0 never */
	uint64_t when;
	enum refusal known; /* to be said of no process: it was for all; REFUSALS: none is */
};

/* As values of a label. */
extern const char *const refusal_names[REFUSALS];

/* What the error of setting a probe means. */
enum refusal refusal_of_probe(int error);

/*
 * Counts one, and says it: with `why`, or the reason's own text where that is NULL, and the text of
 * `error` unless that is 0. A reason that was said last is said again once a minute at most, and in
 * debug lines meanwhile.
 */
void refusals_add(struct refusals *refusals, enum refusal refusal, uint32_t tgid, const char *why,
		  int error);

#endif
