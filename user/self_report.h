/* SPDX-License-Identifier: Apache-2.0 */
/* What the observer says of itself: onlooker_* metrics, and the log line about losses. */
#ifndef ONLOOKER_SELF_REPORT_H
#define ONLOOKER_SELF_REPORT_H

#include "export/self.h"
#include "observer.h"

/* Writes every onlooker_* and process_* metric that is no series of the metrics sink's. */
void self_report_write(const struct observer *observer, struct self_writer *writer);

/* Everything that was lost so far, of whatever reason. */
uint64_t self_report_lost(const struct observer *observer);

#endif
