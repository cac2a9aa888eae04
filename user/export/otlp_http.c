/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_http.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "export/otlp_curl.h"
#include "otlp.pb-c.h"
#include "util/clock.h"
#include "version.h"

#define ANSWER_MOST 16384 /* bytes of an answer that are read */
#define AFTER_MOST (3600 * NSEC_PER_SEC)

struct otlp_http {
	const struct otlp_curl *curl;
	CURL *easy;
	CURLM *multi;
	struct curl_slist *plain, *packed; /* the headers, without and with gzip's */
	char problem[CURL_ERROR_SIZE];
	uint8_t answer[ANSWER_MOST];
	size_t answer_size;
	bool answer_long;
};

/* ---- life ---- */

static bool add_header(struct otlp_http *http, struct curl_slist **list, const char *name,
		       const char *value)
{
	char line[CONFIG_PAIRS_BYTES + 8];
	struct curl_slist *longer;

	/* A header without a value has to be asked for in another way. */
	snprintf(line, sizeof(line), value[0] ? "%s: %s" : "%s;", name, value);
	longer = http->curl->slist_append(*list, line);
	if (longer)
		*list = longer;
	return longer;
}

static bool make_headers(struct otlp_http *http, const struct config_pairs *headers,
			 struct curl_slist **list)
{
	struct curl_slist *longer;

	for (size_t i = 0; i < headers->count; i++)
		if (!add_header(http, list, headers->list[i].name, headers->list[i].value))
			return false;
	/* No header of that name: a body is sent without asking whether it may be. */
	longer = http->curl->slist_append(*list, "Expect:");
	if (longer)
		*list = longer;
	return longer && add_header(http, list, "Content-Type", "application/x-protobuf");
}

static size_t on_answer(char *data, size_t size, size_t count, void *context)
{
	struct otlp_http *http = context;

	size *= count;
	if (size > sizeof(http->answer) - http->answer_size) {
		http->answer_long = true;
		return 0; /* ends the transfer */
	}
	memcpy(http->answer + http->answer_size, data, size);
	http->answer_size += size;
	return size;
}

static void set_options(struct otlp_http *http, const struct config_traces *config)
{
	__typeof__(curl_easy_setopt) *set = http->curl->setopt;
	CURL *easy = http->easy;

	set(easy, CURLOPT_URL, config->endpoint);
	set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	set(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	set(easy, CURLOPT_USERAGENT, "onlooker/" ONLOOKER_VERSION);
	set(easy, CURLOPT_NOSIGNAL, 1L);
	set(easy, CURLOPT_QUICK_EXIT, 1L); /* no end of the program waits for a name server */
	set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	set(easy, CURLOPT_ERRORBUFFER, http->problem);
	set(easy, CURLOPT_WRITEFUNCTION, on_answer);
	set(easy, CURLOPT_WRITEDATA, http);
	set(easy, CURLOPT_POST, 1L);
	if (config->certificate) {
		set(easy, CURLOPT_CAINFO, config->certificate);
		set(easy, CURLOPT_CAPATH, NULL);
	}
	if (config->client_certificate)
		set(easy, CURLOPT_SSLCERT, config->client_certificate);
	if (config->client_key)
		set(easy, CURLOPT_SSLKEY, config->client_key);
}

/* What is wrong with a file is best said before anything runs. */
static int check_file(const char *key, const char *path, char *error, size_t size)
{
	int err = path && access(path, R_OK) ? -errno : 0;

	if (err)
		snprintf(error, size, "traces.%s: %s: %s", key, path, strerror(-err));
	return err;
}

/* As the library that will post there understands it. It may hold a password: it is not shown. */
static int check_url(const struct otlp_curl *curl, const char *text, char *error, size_t size)
{
	CURLU *url = curl->url();
	CURLUcode code = url ? curl->url_set(url, CURLUPART_URL, text, 0) : CURLUE_OUT_OF_MEMORY;

	curl->url_cleanup(url);
	if (code)
		snprintf(error, size, "traces.endpoint: cannot be posted to: %s",
			 curl->url_strerror(code));
	return code ? -EINVAL : 0;
}

int otlp_http_new(const struct config_traces *config, struct otlp_http **ret, char *error,
		  size_t size)
{
	struct otlp_http *http;
	const char *why;
	int err = check_file("certificate", config->certificate, error, size);

	if (!err)
		err = check_file("client_certificate", config->client_certificate, error, size);
	if (!err)
		err = check_file("client_key", config->client_key, error, size);
	if (err)
		return err;
	snprintf(error, size, "cannot start: %s", strerror(ENOMEM));
	http = calloc(1, sizeof(*http));
	if (!http)
		return -ENOMEM;
	http->curl = otlp_curl_load(&why);
	if (!http->curl) {
		snprintf(error, size, "traces.endpoint: %s", why);
		free(http);
		return -ENOENT;
	}
	err = check_url(http->curl, config->endpoint, error, size);
	if (err) {
		free(http);
		return err;
	}
	http->easy = http->curl->easy_init();
	http->multi = http->curl->multi_init();
	if (!http->easy || !http->multi || !make_headers(http, &config->headers, &http->plain) ||
	    !make_headers(http, &config->headers, &http->packed) ||
	    !add_header(http, &http->packed, "Content-Encoding", "gzip")) {
		otlp_http_free(http);
		return -ENOMEM;
	}
	set_options(http, config);
	*ret = http;
	return 0;
}

void otlp_http_free(struct otlp_http *http)
{
	if (!http)
		return;
	http->curl->slist_free_all(http->plain);
	http->curl->slist_free_all(http->packed);
	if (http->easy)
		http->curl->easy_cleanup(http->easy);
	if (http->multi)
		http->curl->multi_cleanup(http->multi);
	free(http);
}

/* ---- what came back ---- */

/* Appends a text that anyone may have written. */
static void say(struct otlp_answer *answer, const char *text, size_t size)
{
	size_t used = strlen(answer->text);

	for (size_t i = 0; i < size && used + 1 < sizeof(answer->text); i++)
		answer->text[used++] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '_';
	answer->text[used] = '\0';
}

static void read_success(const struct otlp_http *http, struct otlp_answer *ret)
{
	Otlp__ExportTraceServiceResponse *response = NULL;

	if (!http->answer_long)
		response = otlp__export_trace_service_response__unpack(NULL, http->answer_size,
								       http->answer);
	if (!response) {
		ret->verdict = OTLP_UNCLEAR;
		snprintf(ret->text, sizeof(ret->text),
			 "it answered with a success that is none of OTLP");
		return;
	}
	ret->verdict = OTLP_ACCEPTED;
	if (response->partial_success) {
		const char *message = response->partial_success->error_message;
		int64_t rejected = response->partial_success->rejected_spans;

		ret->rejected = rejected > 0 ? (uint64_t)rejected : 0;
		if (ret->rejected)
			snprintf(ret->text, sizeof(ret->text), "it rejected some spans: ");
		say(ret, message, strlen(message));
	}
	otlp__export_trace_service_response__free_unpacked(response, NULL);
}

static bool is_temporary(long status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

static void read_failure(const struct otlp_http *http, long status, struct otlp_answer *ret)
{
	Otlp__RpcStatus *body = NULL;
	curl_off_t after = 0;

	snprintf(ret->text, sizeof(ret->text), "it answered with status %ld", status);
	if (!http->answer_long)
		body = otlp__rpc_status__unpack(NULL, http->answer_size, http->answer);
	if (body && body->message[0]) {
		say(ret, ": ", 2);
		say(ret, body->message, strlen(body->message));
	}
	if (body)
		otlp__rpc_status__free_unpacked(body, NULL);
	ret->verdict = is_temporary(status) ? OTLP_AGAIN : OTLP_REFUSED;
	/* In seconds, also where it was a date. */
	http->curl->getinfo(http->easy, CURLINFO_RETRY_AFTER, &after);
	if (after > 0 && ret->verdict == OTLP_AGAIN)
		ret->after = (uint64_t)after < AFTER_MOST / NSEC_PER_SEC ?
				     (uint64_t)after * NSEC_PER_SEC :
				     AFTER_MOST;
}

static void read_result(const struct otlp_http *http, CURLcode code, struct otlp_answer *ret)
{
	long status = 0;

	http->curl->getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK && !http->answer_long) {
		const char *text = http->problem[0] ? http->problem : http->curl->strerror(code);

		ret->verdict = OTLP_AGAIN;
		say(ret, text, strlen(text));
	} else if (status >= 200 && status < 300) {
		read_success(http, ret);
	} else {
		read_failure(http, status, ret);
	}
}

/* ---- posting ---- */

/* Until the transfer is over, with its result; false: cut short. */
static bool transfer(struct otlp_http *http, const struct otlp_waker *waker, CURLcode *ret)
{
	const struct otlp_curl *curl = http->curl;
	CURLMsg *message;
	int running = 1, messages;

	for (;;) {
		if (curl->multi_perform(http->multi, &running) || !running)
			break;
		if (!otlp_http_wait(http, waker, clock_now() + NSEC_PER_SEC))
			return false;
	}
	message = curl->multi_info_read(http->multi, &messages);
	*ret = message ? message->data.result : CURLE_FAILED_INIT;
	return true;
}

bool otlp_http_wait(struct otlp_http *http, const struct otlp_waker *waker, uint64_t until)
{
	struct curl_waitfd extra = { .fd = waker->fd, .events = CURL_WAIT_POLLIN };
	uint64_t now = clock_now(), limit = waker->until(waker->context);
	eventfd_t count;

	if (now >= limit)
		return false;
	if (until > limit)
		until = limit;
	if (until <= now)
		return true;
	until = (until - now) / NSEC_PER_MSEC + 1;
	http->curl->multi_poll(http->multi, &extra, 1, until < INT_MAX ? (int)until : INT_MAX,
			       NULL);
	if (extra.revents)
		eventfd_read(waker->fd, &count);
	return clock_now() < waker->until(waker->context);
}

void otlp_http_post(struct otlp_http *http, const void *body, size_t size, bool packed,
		    uint64_t timeout, const struct otlp_waker *waker, struct otlp_answer *ret)
{
	const struct otlp_curl *curl = http->curl;
	struct curl_slist *headers = packed ? http->packed : http->plain;
	CURLcode code;

	*ret = (struct otlp_answer){ .verdict = OTLP_CUT_SHORT };
	http->answer_size = 0;
	http->answer_long = false;
	http->problem[0] = '\0';
	curl->setopt(http->easy, CURLOPT_HTTPHEADER, headers);
	curl->setopt(http->easy, CURLOPT_POSTFIELDS, body);
	curl->setopt(http->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
	curl->setopt(http->easy, CURLOPT_TIMEOUT_MS, (long)(timeout / NSEC_PER_MSEC) + 1);
	if (curl->multi_add(http->multi, http->easy)) {
		ret->verdict = OTLP_AGAIN;
		return;
	}
	if (transfer(http, waker, &code))
		read_result(http, code, ret);
	curl->multi_remove(http->multi, http->easy);
}
