/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel side is told of a connection: the bytes that are of no interest. */
#ifndef ONLOOKER_VERDICT_H
#define ONLOOKER_VERDICT_H

#include "stream/entry.h"

/* Writes into the connection's slot what its conversation wants to see of the bytes to come. */
void verdict_tell(struct entry *entry, struct slot *slot);

#endif
