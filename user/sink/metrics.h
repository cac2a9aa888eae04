/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sink that turns exchanges and changes of connections into series: which families, on which
 * side, with which labels.
 */
#ifndef ONLOOKER_METRICS_H
#define ONLOOKER_METRICS_H

#include "capture/identity.h"
#include "config.h"
#include "sink.h"
#include "sink/series.h"

struct metrics;

/*
 * Metrics with the endpoints, buckets and limits of `config`, which is not kept. `identities` must
 * outlive them. 0 or -ENOMEM; metrics_free(), or the sink's close(), ends them.
 */
int metrics_new(const struct config *config, const struct identities *identities,
		struct metrics **ret);
void metrics_free(struct metrics *metrics);

/* The sink to add to an outlet; owned by the metrics. */
struct sink *metrics_sink(struct metrics *metrics);

/* From now on histograms have exemplars, as metrics_exemplar() tells them. 0 or -ENOMEM. */
int metrics_exemplify(struct metrics *metrics);

/*
 * The histogram in which the exchange told of last was observed, for a sink that comes after: NULL
 * where it was in none, or in one that stands for several. Good as long as the metrics.
 */
struct series *metrics_observed(const struct metrics *metrics);

/* That observation's trace was kept: exemplars.h. */
void metrics_exemplar(struct metrics *metrics, struct series *observed,
		      const struct exemplar *what);

/*
 * Takes other endpoints and limits: for what comes, what exists stays. A service that has hit its
 * limit of peers keeps the old one. Buckets stay as they are, see below. 0, or -ENOMEM: all is as
 * before.
 */
int metrics_configure(struct metrics *metrics, const struct config *config);

/* Whether the configuration wants buckets that only a restart brings. */
bool metrics_buckets_differ(const struct metrics *metrics, const struct config *config);

/* What a scrape reads. */
const struct series_set *metrics_series(const struct metrics *metrics);

#endif
