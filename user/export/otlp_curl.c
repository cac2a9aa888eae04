/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_curl.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>

#define LIBRARY "libcurl.so.4"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct otlp_curl curl;

static const struct {
	const char *name;
	size_t offset;
} functions[] = {
	{ "curl_global_init", offsetof(struct otlp_curl, global_init) },
	{ "curl_easy_init", offsetof(struct otlp_curl, easy_init) },
	{ "curl_easy_cleanup", offsetof(struct otlp_curl, easy_cleanup) },
	{ "curl_easy_setopt", offsetof(struct otlp_curl, setopt) },
	{ "curl_easy_getinfo", offsetof(struct otlp_curl, getinfo) },
	{ "curl_easy_strerror", offsetof(struct otlp_curl, strerror) },
	{ "curl_slist_append", offsetof(struct otlp_curl, slist_append) },
	{ "curl_slist_free_all", offsetof(struct otlp_curl, slist_free_all) },
	{ "curl_multi_init", offsetof(struct otlp_curl, multi_init) },
	{ "curl_multi_cleanup", offsetof(struct otlp_curl, multi_cleanup) },
	{ "curl_multi_add_handle", offsetof(struct otlp_curl, multi_add) },
	{ "curl_multi_remove_handle", offsetof(struct otlp_curl, multi_remove) },
	{ "curl_multi_perform", offsetof(struct otlp_curl, multi_perform) },
	{ "curl_multi_poll", offsetof(struct otlp_curl, multi_poll) },
	{ "curl_multi_info_read", offsetof(struct otlp_curl, multi_info_read) },
	{ "curl_url", offsetof(struct otlp_curl, url) },
	{ "curl_url_cleanup", offsetof(struct otlp_curl, url_cleanup) },
	{ "curl_url_set", offsetof(struct otlp_curl, url_set) },
	{ "curl_url_strerror", offsetof(struct otlp_curl, url_strerror) },
};

const struct otlp_curl *otlp_curl_load(const char **ret_error)
{
	static bool loaded;
	void *library;

	if (loaded)
		return &curl;
	library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
	for (size_t i = 0; library && i < COUNT(functions); i++) {
		void *function = dlsym(library, functions[i].name);

		if (!function)
			goto missing;
		*(void **)((char *)&curl + functions[i].offset) = function;
	}
	if (!library)
		goto missing;
	if (curl.global_init(CURL_GLOBAL_ALL)) {
		*ret_error = LIBRARY " cannot be initialised";
		return NULL;
	}
	loaded = true;
	return &curl;
missing:
	*ret_error = dlerror();
	return NULL;
}
