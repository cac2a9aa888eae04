/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "sink/fold.h"
#include "sink/pattern.h"
#include "sink/route.h"
#include "util/clock.h"
#include "util/names.h"
#include "util/utf8.h"

static struct bytes view(const char *text)
{
	return (struct bytes){ (const uint8_t *)text, strlen(text) };
}

static struct routes *new_routes(char **patterns, size_t count)
{
	struct config_endpoints endpoints = { patterns, count };
	struct routes *routes = NULL;

	assert_int_equal(routes_new(&endpoints, &routes), 0);
	return routes;
}

/* Twice: the second time from the cache. */
static void leads(struct routes *routes, const char *target, const char *route)
{
	for (int i = 0; i < 2; i++)
		assert_string_equal(names_text(routes_find(routes, view(target), 1)), route);
}

static const char *const kept[] = {
	"/",
	"/api/v1/health",
	"/api/travels",
	"/api/travels/",
	"/oauth2/token",
	"/static/app.js",
	"/.well-known/openid-configuration",
	"/api/getAccountTransactionsList",
	"/deadbeef",
	"/a/b//c",
	"/api/v2beta1/x",
	"/~user/index.html",
	"/feed/cafe",
	"/rfc822/a%20b",
	"/internationalization/and-some-more-words-here",
	"/caf\xc3\xa9",
};
static const char *const folded[] = {
	"42",
	"-1",
	"3.14",
	"2024-01-31",
	"20240131",
	"10:30",
	"48.85,2.35",
	"1,2,3",
	"550e8400-e29b-41d4-a716-446655440000",
	"550E8400-E29B-41D4-A716-446655440000",
	"%7B12345678%7D",
	"{550e8400-e29b-41d4-a716-446655440000}",
	"deadbee7",
	"d41d8cd98f00b204e9800998ecf8427e",
	"2024-01-31T10:30:00Z",
	"2024-01-31T10:30",
	"order-12345",
	"cus_9s6XKzkNRiz8i3",
	"01ARZ3NDEKTSV4RRFFQ69G5FAV",
	"507f1f77bcf86cd799439011",
	"V1StGXR8_Z5jdHi6B-myT",
	"someone@example.org",
	"someone%40example.org",
	"dGVzdA==",
	"dGVzdGRhdGE%3D",
	"aGVsbG8gd29ybGQgaGVsbG8",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
	"10-best-places-to-go-in-spring",
	"xKqLmWzRtYpOaSdFgHjKlZ",
};

static void test_fold(void **state)
{
	struct routes *routes = new_routes(NULL, 0);
	char target[256];

	(void)state;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		leads(routes, kept[i], kept[i]);
	for (size_t i = 0; i < sizeof(folded) / sizeof(folded[0]); i++) {
		snprintf(target, sizeof(target), "/api/%s/x", folded[i]);
		leads(routes, target, "/api/{id}/x");
		snprintf(target, sizeof(target), "/%s", folded[i]);
		leads(routes, target, "/{id}");
	}
	routes_free(routes);
}

static void test_targets(void **state)
{
	struct routes *routes = new_routes(NULL, 0);

	(void)state;
	leads(routes, "", "/");
	leads(routes, "/", "/");
	leads(routes, "?a=1", "/");
	leads(routes, "/a?b=/c", "/a");
	leads(routes, "/a#b", "/a");
	leads(routes, "*", "*");
	leads(routes, "example.org:443", "{authority}");
	leads(routes, "http://example.org/a/1?x", "/a/{id}");
	leads(routes, "http://example.org", "/");
	leads(routes, "http://example.org?x", "/");
	leads(routes, "/redirect/http://x/y", "/redirect/http://x/y");
	leads(routes, "/a;jsessionid=1F2E/b;v=1", "/a/b");
	leads(routes, "/a\n\x01\x7f/\xff\xc3/\xc2\x80", "/a___/__/_");
	assert_string_equal(names_text(routes_find(routes, (struct bytes){ NULL, 0 }, 1)), "/");
	assert_string_equal(names_text(routes_find(routes, BYTES("/a\0b"), 1)), "/a_b");
	routes_free(routes);
}

/* What anybody sends makes a valid text of bounded length. */
static void test_any_bytes(void **state)
{
	struct routes *routes = new_routes(NULL, 0);
	uint8_t target[700];

	(void)state;
	srandom(7);
	for (int i = 0; i < 3000; i++) {
		size_t size = (size_t)random() % sizeof(target), step;
		struct bytes name;

		for (size_t at = 0; at < size; at++)
			target[at] = (uint8_t)(random() % 4 ? 0xc0 + random() % 64 : random());
		target[0] = '/';
		name = view(names_text(routes_find(routes, (struct bytes){ target, size }, 1)));
		assert_true(name.size > 0 && name.size < NAME_SIZE);
		while (name.size > 0) {
			uint32_t code = utf8_read(name, &step);

			assert_true(code != UTF8_INVALID && !utf8_is_control(code));
			name = bytes_skip(name, step);
		}
	}
	/* Cut between characters, also by the name table. */
	memset(target, 'a', sizeof(target));
	target[0] = '/';
	for (size_t at = 1; at + 2 < sizeof(target); at += 3)
		memcpy(target + at, "\xe2\x82\xac", 3);
	assert_int_equal(strlen(names_text(routes_find(routes, (struct bytes){ target, 700 }, 1))),
			 1 + 84 * 3);
	routes_free(routes);
}

static bool matches(const char *pattern, const char *path)
{
	struct pattern made;
	bool match;

	assert_int_equal(pattern_init(&made, pattern), 0);
	match = pattern_match(&made, view(path), pattern_segments(view(path)));
	pattern_free(&made);
	return match;
}

static void test_patterns(void **state)
{
	(void)state;
	assert_true(matches("/api/travels/{id}", "/api/travels/abc"));
	assert_false(matches("/api/travels/{id}", "/api/travels/"));
	assert_false(matches("/api/travels/{id}", "/api/travels"));
	assert_false(matches("/api/travels/{id}", "/api/travels/a/b"));
	assert_false(matches("/api/travels/{id}", "/api/travel/a"));
	assert_true(matches("/a/{x}/b/{y}", "/a/1/b/2"));
	assert_false(matches("/a/{x}/b/{y}", "/a/1/c/2"));
	assert_true(matches("/files/{name}.json", "/files/a.b.json"));
	assert_true(matches("/files/{name}.json", "/files/.json.json"));
	assert_false(matches("/files/{name}.json", "/files/.json"));
	assert_false(matches("/files/{name}.json", "/files/a.jsonx"));
	assert_true(matches("/{a}-{b}/x", "/1-2-3/x"));
	assert_true(matches("/static/*", "/static/"));
	assert_true(matches("/static/*", "/static/a/b/c"));
	assert_false(matches("/static/*", "/static"));
	assert_true(matches("/static*", "/static"));
	assert_true(matches("/*", "/"));
	assert_true(matches("/p/{rest...}", "/p/a/b"));
	assert_true(matches("/p/{rest:path}", "/p/a/b"));
	assert_false(matches("/p/{rest...}", "/p/"));
	assert_true(matches("/p/{x}/{rest...}", "/p/1/a/b"));
	assert_true(matches("/a*b", "/a*b"));
	assert_true(matches("/{}", "/{}"));
	assert_false(matches("/{}", "/a"));
	assert_true(matches("/{open", "/{open"));
	assert_true(matches("/exact", "/exact"));
	assert_false(matches("/exact", "/exact/"));
	assert_false(matches("/exact", ""));
}

static void test_configured(void **state)
{
	char *first[] = { "/api/travels/mine", "/api/travels/{id}", "/users/{name}", "/s/*" };
	char *second[] = { "/api/{kind}/{id}" };
	struct routes *routes = new_routes(first, 4);

	(void)state;
	leads(routes, "/api/travels/mine", "/api/travels/mine");
	leads(routes, "/api/travels/7?x=1", "/api/travels/{id}");
	leads(routes, "/api/travels/7/seats/8", "/api/travels/{id}/seats/{id}");
	leads(routes, "/users/bob", "/users/{name}");
	leads(routes, "/s/a/b", "/s/*");
	leads(routes, "http://h/users/bob", "/users/{name}");
	assert_int_equal(routes_configure(routes, &(struct config_endpoints){ second, 1 }), 0);
	leads(routes, "/api/travels/mine", "/api/{kind}/{id}");
	leads(routes, "/users/bob", "/users/bob");
	routes_free(routes);
}

/* Who may have no more routes finds those that have a name, and gives none. */
static void test_not_fresh(void **state)
{
	struct routes *routes = new_routes(NULL, 0);
	uint64_t refused = names_refused();

	(void)state;
	leads(routes, "/had/before", "/had/before");
	assert_int_equal(routes_find(routes, BYTES("/had/before?q"), NAMES_NOBODY),
			 names_intern(NAME_ROUTE, BYTES("/had/before")));
	assert_int_equal(routes_find(routes, BYTES("/never/had"), NAMES_NOBODY), NAME_OTHER);
	assert_int_equal(names_find(BYTES("/never/had")), NAME_NONE);
	assert_int_equal(names_refused(), refused);
	leads(routes, "/never/had", "/never/had");
	routes_free(routes);
}

static uint64_t time_each(struct routes *routes, unsigned int different)
{
	uint64_t begin = clock_now();
	char target[64];
	uint64_t i;

	for (i = 0; i < 200000; i++) {
		int size = snprintf(target, sizeof(target), "/api/travels/%u/seats",
				    (unsigned int)i % different);

		routes_find(routes, (struct bytes){ (const uint8_t *)target, (size_t)size }, 1);
	}
	return (clock_now() - begin) / i;
}

static void test_cost(void **state)
{
	struct routes *routes = new_routes(NULL, 0);

	(void)state;
	print_message("known %llu ns, new %llu ns (with printing it)\n",
		      (unsigned long long)time_each(routes, 100),
		      (unsigned long long)time_each(routes, 200000));
	/* Ten times what they take: only to notice that something is badly wrong. */
	assert_true(time_each(routes, 100) < 3000);
	routes_free(routes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fold),	   cmocka_unit_test(test_targets),
		cmocka_unit_test(test_any_bytes),  cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_configured), cmocka_unit_test(test_not_fresh),
		cmocka_unit_test(test_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
