/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sink behind the live table: totals per service, protocol and role. Worth its cost only while
 * somebody looks.
 */
#ifndef ONLOOKER_LIVE_H
#define ONLOOKER_LIVE_H

#include "capture/identity.h"
#include "config.h"
#include "export/table.h"
#include "sink.h"

struct live;

/*
 * Totals with the buckets of `config`, which is not kept. At most TABLE_ROWS rows: what comes when
 * all are taken is in none. 0 or -ENOMEM; live_free(), or the sink's close(), ends them.
 * `identities` must outlive them.
 */
int live_new(const struct config *config, const struct identities *identities, struct live **ret);
void live_free(struct live *live);

/* The sink to add to an outlet; owned by the totals. */
struct sink *live_sink(struct live *live);

/*
 * The rows for table_draw(), valid until the next exchange or change of a connection; *ret_n says
 * how many.
 */
const struct table_row *live_rows(struct live *live, size_t *ret_n);

#endif
