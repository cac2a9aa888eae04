/* SPDX-License-Identifier: Apache-2.0 */
/* How many descriptors probes may take: some are left for all else. */
#ifndef ONLOOKER_DESCRIPTORS_H
#define ONLOOKER_DESCRIPTORS_H

/* Raises this process's limit as far as may be; the first descriptor that is not for probes. */
int descriptors_raise(void);

/*
 * Gives back a descriptor that was just opened (or -errno) if it lies below `limit`: the first free
 * one tells how many are open. Else closes it: -EMFILE.
 */
int descriptors_spare(int limit, int opened);

#endif
