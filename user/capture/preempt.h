/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that the kernel may preempt: see bpf/hold.h. */
#ifndef ONLOOKER_CAPTURE_PREEMPT_H
#define ONLOOKER_CAPTURE_PREEMPT_H

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>

/*
 * Whether this kernel may preempt the programs of the backend, and has what keeps it from that;
 * `btf`: its types.
 */
bool preempt_matters(const struct btf *btf, bool tracepoint);

/*
 * Turns the placeholders of include/kfunc.h into calls of the kernel's functions, in all programs
 * of the object, which is not loaded yet. -ENOENT: the kernel lacks them; -ENOMEM.
 */
int preempt_prepare(struct bpf_object *object, const struct btf *btf);

#endif
