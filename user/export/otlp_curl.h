/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of libcurl that are used, found at run time. */
#ifndef ONLOOKER_OTLP_CURL_H
#define ONLOOKER_OTLP_CURL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

struct otlp_curl {
	__typeof__(curl_global_init) *global_init;
	__typeof__(curl_easy_init) *easy_init;
	__typeof__(curl_easy_cleanup) *easy_cleanup;
	__typeof__(curl_easy_setopt) *setopt;
	__typeof__(curl_easy_getinfo) *getinfo;
	__typeof__(curl_easy_strerror) *strerror;
	__typeof__(curl_slist_append) *slist_append;
	__typeof__(curl_slist_free_all) *slist_free_all;
	__typeof__(curl_multi_init) *multi_init;
	__typeof__(curl_multi_cleanup) *multi_cleanup;
	__typeof__(curl_multi_add_handle) *multi_add;
	__typeof__(curl_multi_remove_handle) *multi_remove;
	__typeof__(curl_multi_perform) *multi_perform;
	__typeof__(curl_multi_poll) *multi_poll;
	__typeof__(curl_multi_info_read) *multi_info_read;
	__typeof__(curl_url) *url;
	__typeof__(curl_url_cleanup) *url_cleanup;
	__typeof__(curl_url_set) *url_set;
	__typeof__(curl_url_strerror) *url_strerror;
};

/*
 * Loads the library, once for the process. NULL: it cannot be had; *ret_error says why, a text that
 * holds until the next call.
 */
const struct otlp_curl *otlp_curl_load(const char **ret_error);

#endif
