/* SPDX-License-Identifier: Apache-2.0 */
/* Which programs of the kernel side this kernel takes, and where they are attached. */
#ifndef ONLOOKER_HOOKS_H
#define ONLOOKER_HOOKS_H

#include <bpf/btf.h>
#include <stdbool.h>

struct onlooker_bpf;

/* Whether the kernel, whose types these are, has the tracepoints of calls (6.3 and later). */
bool hooks_tracepoint(const struct btf *btf);

/*
 * Chooses the programs at the calls, which are told of by the tracepoints or by fexit. Comes before
 * the skeleton is loaded. 0 or -errno.
 */
int hooks_choose(struct onlooker_bpf *skeleton, const struct btf *btf, bool tracepoint);

/* Attaches what was chosen and loaded. 0 or -errno. */
int hooks_attach(struct onlooker_bpf *skeleton);

#endif
