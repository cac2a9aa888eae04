/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the kernel side that tells logical tasks. */
#ifndef ONLOOKER_TASK_SETUP_H
#define ONLOOKER_TASK_SETUP_H

#include "capture/follow.h"

struct onlooker_bpf;

/* Before loading: makes room for that many followed processes. Without this call there is none. */
void task_setup(struct onlooker_bpf *skeleton, uint64_t followed);

/* After loading: what struct follow works with. */
void task_kernel(const struct onlooker_bpf *skeleton, struct follow_kernel *ret);

#endif
