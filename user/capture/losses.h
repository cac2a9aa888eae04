/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel side did not see, or could not tell. */
#ifndef ONLOOKER_LOSSES_H
#define ONLOOKER_LOSSES_H

#include "capture/capture.h"

struct onlooker_bpf;

/* As capture_losses(). */
void losses_read(const struct onlooker_bpf *skeleton, uint64_t ret[CAPTURE_LOSSES]);

#endif
