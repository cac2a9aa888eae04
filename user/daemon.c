/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "capture/follow.h"
#include "capture/probe.h"
#include "confine.h"
#include "export/otlp.h"
#include "export/prometheus.h"
#include "export/table.h"
#include "loop.h"
#include "observer.h"
#include "privileges.h"
#include "proto/wanted.h"
#include "self_report.h"
#include "sink/live.h"
#include "sink/metrics.h"
#include "sink/spans.h"
#include "util/clock.h"
#include "util/memory.h"

#define LOGGER "onlooker"
#define STEP_NS (5 * NSEC_PER_MSEC) /* of reading records, before somebody else has a turn */
#define SCRAPE_NS (20 * NSEC_PER_MSEC)
#define DRAW_NS NSEC_PER_SEC
#define LOSS_LOG_NS (60 * NSEC_PER_SEC)
/* Few and short turns, but in time: the ring buffer is milliseconds deep. */
#define NICENESS (-20)

struct daemon {
	const struct options *options;
	struct config config;
	struct loop *loop;
	struct observer *observer;
	struct metrics *metrics; /* owned by the observer once added */
	struct http *http;
	struct otlp *otlp;   /* NULL: no traces */
	struct spans *spans; /* likewise; owned by the observer once added */
	struct table *table; /* NULL: not on a terminal */
	struct live *live;   /* owned by the observer once added */
	int signals;
	int unprobed;	  /* why no probe can be set, where some are to be: -errno */
	uint64_t probing; /* capabilities that it takes to set them */
	uint64_t drawn;
	uint64_t lost, loss_logged;
};

/* ---- configuration ---- */

/* Numbers that are read at the start only; so are `listen` and `traces`. */
#define STARTED(each)                                                                     \
	each(backend) each(memory_limit) each(limits.connections) each(limits.ring_bytes) \
		each(limits.open_requests)

static bool needs_restart(const struct config *now, const struct config *next)
{
#define OR_DIFFERS(member) || now->member != next->member
	return strcmp(now->listen.text, next->listen.text) != 0 STARTED(OR_DIFFERS) ||
	       config_traces_differ(&now->traces, &next->traces);
}

/* What is in use stays as it is, so that the next reread is compared with that, too. */
static void keep_started(struct config *now, struct config *next)
{
#define KEEP(member) next->member = now->member;
	STARTED(KEEP)
	next->listen = now->listen;
	next->limits.followed = now->limits.followed;
	config_traces_keep(&now->traces, &next->traces);
}

static void reread(struct daemon *daemon)
{
	char error[1024];
	struct config next;

	if (options_config(daemon->options, &next, error, sizeof(error))) {
		log_error(LOGGER, "configuration not reread, the old one stays: %s", error);
		return;
	}
	if (metrics_configure(daemon->metrics, &next) ||
	    (daemon->spans && spans_configure(daemon->spans, &next)) ||
	    observer_watch(daemon->observer, &next.watch)) {
		log_error(LOGGER, "configuration not reread, the old one stays: %s",
			  strerror(ENOMEM));
		config_free(&next);
		return;
	}
	log_set_level(next.log_level);
	if (needs_restart(&daemon->config, &next) || metrics_buckets_differ(daemon->metrics, &next))
		log_warning(LOGGER,
			    "listen, backend, buckets, traces and the limits of connections, "
			    "ring, requests and memory change with a restart only");
	keep_started(&daemon->config, &next);
	config_free(&daemon->config);
	daemon->config = next;
	log_info(LOGGER, "configuration reread");
}

/* ---- signals ---- */

static void on_signal(void *context)
{
	struct daemon *daemon = context;
	struct signalfd_siginfo info;

	while (read(daemon->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			reread(daemon);
		} else {
			log_info_with(LOGGER, LOG_EXTRA(LOG_NUMBER("signal", info.ssi_signo)),
				      "stopping");
			loop_stop(daemon->loop);
		}
	}
}

static int open_signals(struct daemon *daemon)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	daemon->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return daemon->signals < 0 ? -errno : 0;
}

/* ---- records ---- */

static void log_losses(struct daemon *daemon, uint64_t now)
{
	uint64_t lost;

	if (daemon->loss_logged && now - daemon->loss_logged < LOSS_LOG_NS)
		return;
	lost = self_report_lost(daemon->observer);
	if (lost == daemon->lost)
		return;
	log_warning_with(LOGGER, LOG_EXTRA(LOG_NUMBER("lost", lost - daemon->lost)),
			 "events were lost, counts may be short: see onlooker_events_lost_total");
	daemon->lost = lost;
	daemon->loss_logged = now;
}

static void log_traces(struct daemon *daemon)
{
	char text[OTLP_NEWS_SIZE];

	switch (otlp_news(daemon->otlp, text)) {
	case OTLP_NO_NEWS:
		break;
	case OTLP_FAILING:
		log_warning_with(LOGGER, LOG_EXTRA(LOG_TEXT("why", text)),
				 "not all spans get to the collector");
		break;
	case OTLP_RESUMED:
		log_info(LOGGER, "spans get to the collector again");
		break;
	case OTLP_WARNED:
		log_warning_with(LOGGER, LOG_EXTRA(LOG_TEXT("what", text)),
				 "the collector takes the spans, but warns");
		break;
	}
}

static void draw(struct daemon *daemon, uint64_t now)
{
	const char *notes[LOG_RECENT];
	const struct table_row *rows;
	size_t row_count, notes_n = 0;
	char title[128];

	if (!daemon->table || now - daemon->drawn < DRAW_NS)
		return;
	daemon->drawn = now;
	for (size_t back = LOG_RECENT; back-- > 0;) {
		const char *note = log_recent(back);

		if (note)
			notes[notes_n++] = note;
	}
	snprintf(title, sizeof(title), "onlooker  %s  metrics on %s/metrics",
		 observer_backend(daemon->observer), daemon->config.listen.text);
	rows = live_rows(daemon->live, &row_count);
	table_draw(daemon->table, title, rows, row_count, notes, notes_n, now);
}

/* What the budget leaves is read at the next beat at the latest, or with the next wake-up. */
static void on_records(void *context)
{
	struct daemon *daemon = context;

	observer_step(daemon->observer, STEP_NS);
}

static void on_beat(void *context)
{
	struct daemon *daemon = context;
	uint64_t now = clock_now();

	observer_step(daemon->observer, STEP_NS);
	log_losses(daemon, now);
	log_traces(daemon);
	log_flush();
	draw(daemon, now);
}

/* ---- endpoint ---- */

static void on_http(void *context)
{
	struct daemon *daemon = context;

	http_run(daemon->http);
}

/* A scrape shows what has happened up to now. */
static void refresh(void *context)
{
	struct daemon *daemon = context;

	observer_refresh(daemon->observer, SCRAPE_NS);
}

static bool healthy(void *context, char reason[HTTP_REASON_SIZE])
{
	struct daemon *daemon = context;

	if (observer_keeps_up(daemon->observer))
		return true;
	snprintf(reason, HTTP_REASON_SIZE, "records come in faster than they are read");
	return false;
}

static void collect(void *context, struct self_writer *writer)
{
	struct daemon *daemon = context;

	self_report_write(daemon->observer, writer);
	otlp_report(daemon->otlp, writer);
	spans_report(daemon->spans, writer);
}

static const char *listen_advice(int error)
{
	switch (-error) {
	case EACCES:
		return "; CAP_NET_BIND_SERVICE is missing: needed to listen on a port below "
		       "net.ipv4.ip_unprivileged_port_start (1024)";
	case EADDRINUSE:
		return "; another program listens there";
	case EADDRNOTAVAIL:
		return "; no interface of this host has that address";
	default:
		return "";
	}
}

static int open_endpoint(struct daemon *daemon, char *error, size_t size)
{
	struct http_source source = {
		.series = metrics_series(daemon->metrics),
		.refresh = refresh,
		.collect = collect,
		.healthy = healthy,
		.context = daemon,
	};
	int result = http_open(&daemon->config.listen, &source, &daemon->http);

	if (result)
		snprintf(error, size, "listen: %s: %s%s", daemon->config.listen.text,
			 strerror(-result), listen_advice(result));
	return result;
}

/* ---- privileges ---- */

static void log_missing(int error)
{
	uint64_t held = privileges_held();
	const char *advice;
	char who[192];

	for (const struct privilege *at = privileges; at->name; at++) {
		if (at->loss && !privileges_suffice(held, at->capability))
			log_info(LOGGER, "%s is missing: needed to %s; without it %s", at->name,
				 at->purpose, at->loss);
	}
	if (privileges_barred(who, sizeof(who), &advice))
		log_warning(LOGGER,
			    "%s lets not all processes be read, though CAP_SYS_PTRACE is held: "
			    "counts are as exact, but %s; %s",
			    who, PRIVILEGES_UNREAD, advice);
	if (error)
		log_warning(LOGGER,
			    "no probes can be set in programs: %s; without them the calls of "
			    "CPython programs are told by thread only",
			    probe_explain(error, held));
}

/* Nothing of it is a reason not to observe. */
static void give_up_privileges(bool probing, uint64_t beside)
{
	char names[256];
	uint64_t kept;
	int error = privileges_reduce(beside, &kept);

	if (error)
		log_warning(LOGGER, "not every privilege could be given up: %s", strerror(-error));
	error = confine(probing);
	if (error && error != -EOPNOTSUPP)
		log_warning(LOGGER, "system calls are not confined: %s", strerror(-error));
	privileges_list(kept, names, sizeof(names));
	log_info_with(LOGGER, LOG_EXTRA(LOG_TEXT("kept", names)), "privileges given up");
}

/* ---- life ---- */

static void push_span(void *context, const struct span *span)
{
	otlp_push(context, span);
}

/* After the metrics, which give routes their names. Without memory for details spans lack those. */
static int add_spans(struct daemon *daemon)
{
	bool details = details_begin() == 0;
	struct spans_host host = { .tasks = observer_tasks(daemon->observer),
				   .metrics = daemon->metrics,
				   .details = details,
				   .outlet = { push_span, daemon->otlp } };
	int error = metrics_exemplify(daemon->metrics);

	if (!error)
		error = spans_new(&daemon->config, &host, &daemon->spans);
	return error ? error : observer_add(daemon->observer, spans_sink(daemon->spans));
}

static int add_sinks(struct daemon *daemon)
{
	const struct identities *identities = observer_identities(daemon->observer);
	int error = metrics_new(&daemon->config, identities, &daemon->metrics);

	if (!error)
		error = observer_add(daemon->observer, metrics_sink(daemon->metrics));
	if (!error && daemon->otlp)
		error = add_spans(daemon);
	if (error || !isatty(STDOUT_FILENO))
		return error;
	error = live_new(&daemon->config, identities, &daemon->live);
	if (!error)
		error = observer_add(daemon->observer, live_sink(daemon->live));
	return error;
}

static int add_sources(struct daemon *daemon)
{
	const struct loop_source sources[] = {
		{ daemon->signals, daemon, on_signal, NULL, false },
		{ observer_fd(daemon->observer), daemon, on_records, on_beat, true },
		{ http_fd(daemon->http), daemon, on_http, NULL, false },
	};
	int error = loop_new(&daemon->loop);

	for (size_t i = 0; !error && i < sizeof(sources) / sizeof(sources[0]); i++)
		error = loop_add(daemon->loop, &sources[i]);
	return error;
}

/* Without CAP_SYS_NICE it works too, with less reserve. */
static void hurry(void)
{
	/* Where each session is a scheduling group, niceness counts within; sched(7), autogroup. */
	FILE *group = fopen("/proc/self/autogroup", "we");

	setpriority(PRIO_PROCESS, 0, NICENESS);
	if (!group)
		return;
	fprintf(group, "%d", NICENESS);
	fclose(group);
}

/* Before anything is recorded: to take one probe away the kernel waits for all processors. */
static void try_probes(struct daemon *daemon)
{
	daemon->unprobed = observer_unprobed(daemon->observer);
	daemon->probing = daemon->unprobed ? 0 : privileges_for_probes();
}

static int start(struct daemon *daemon, char *error, size_t size)
{
	int result = open_signals(daemon);

	snprintf(error, size, "cannot start: %s", strerror(-result));
	if (result)
		return result;
	hurry();
	result = otlp_open(&daemon->config.traces, &daemon->otlp, error, size);
	if (result)
		return result;
	daemon->config.limits.followed =
		daemon->otlp && daemon->config.traces.tasks ? FOLLOW_LIMIT : 0;
	result = observer_new(&daemon->config, &daemon->observer, error, size);
	if (result)
		return result;
	result = add_sinks(daemon);
	snprintf(error, size, "cannot start: %s", strerror(-result));
	if (result)
		return result;
	result = open_endpoint(daemon, error, size);
	if (result)
		return result;
	if (daemon->config.limits.followed)
		try_probes(daemon);
	result = observer_start(daemon->observer, error, size);
	if (result)
		return result;
	result = add_sources(daemon);
	snprintf(error, size, "cannot start: %s", strerror(-result));
	return result;
}

static void stop(struct daemon *daemon)
{
	uint64_t left;

	table_close(daemon->table);
	log_hold(false);
	http_close(daemon->http);
	observer_free(daemon->observer);
	details_end();
	left = otlp_close(daemon->otlp);
	if (left)
		log_warning_with(LOGGER, LOG_EXTRA(LOG_NUMBER("spans", left)),
				 "spans were not sent any more");
	loop_free(daemon->loop);
	if (daemon->signals >= 0)
		close(daemon->signals);
	config_free(&daemon->config);
}

int daemon_run(const struct options *options, struct config *config, char *error, size_t size)
{
	struct daemon daemon = { .options = options, .config = *config, .signals = -1 };
	int result = start(&daemon, error, size);

	if (!result) {
		log_missing(daemon.unprobed);
		log_info_with(LOGGER,
			      LOG_EXTRA(LOG_TEXT("backend", observer_backend(daemon.observer)),
					LOG_TEXT("listen", daemon.config.listen.text)),
			      "observing");
		if (isatty(STDOUT_FILENO) && !table_open(STDOUT_FILENO, &daemon.table))
			log_hold(true);
		give_up_privileges(daemon.config.limits.followed != 0, daemon.probing);
		result = otlp_start(daemon.otlp, observer_identities(daemon.observer));
		memory_release_code();
		if (!result)
			result = loop_run(daemon.loop);
		snprintf(error, size, "cannot go on: %s", strerror(-result));
	}
	stop(&daemon);
	return result;
}
