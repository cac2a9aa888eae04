/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "capture/refusals.h"
#include "log.h"

/* Each has a name of its own, and a text in the log. */
static void test_names(void **state)
{
	struct refusals refusals = { .known = REFUSALS };

	(void)state;
	log_hold(true);
	for (int i = 0; i < REFUSALS; i++) {
		assert_non_null(refusal_names[i]);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(refusal_names[i], refusal_names[k]);
		refusals_add(&refusals, (enum refusal)i, 7, NULL, 0);
		assert_non_null(
			strstr(log_recent(0), "process 7: calls are told by thread only: "));
		assert_null(strstr(log_recent(0), "(null)"));
		assert_int_equal(refusals.counts[i], 1);
	}
	log_hold(false);
}

/* All are counted, and the same is said once. */
static void test_said_once(void **state)
{
	struct refusals refusals = { .known = REFUSALS };

	(void)state;
	log_hold(true);
	refusals_add(&refusals, REFUSAL_PRIVILEGE, 1, NULL, -EPERM);
	assert_non_null(strstr(log_recent(0), "process 1"));
	assert_non_null(strstr(log_recent(0), "Operation not permitted"));
	for (uint32_t i = 2; i < 100; i++)
		refusals_add(&refusals, REFUSAL_PRIVILEGE, i, NULL, -EPERM);
	assert_non_null(strstr(log_recent(0), "process 1"));
	refusals_add(&refusals, REFUSAL_VERSION, 100, "its CPython is old", 0);
	assert_non_null(strstr(log_recent(0), "process 100"));
	assert_non_null(strstr(log_recent(0), "its CPython is old"));
	log_hold(false);
	assert_int_equal(refusals.counts[REFUSAL_PRIVILEGE], 99);
	assert_int_equal(refusals.counts[REFUSAL_VERSION], 1);
}

/* What was said of all processes is said of none, and counted. */
static void test_known(void **state)
{
	struct refusals refusals = { .known = REFUSAL_PRIVILEGE };

	(void)state;
	log_hold(true);
	refusals_add(&refusals, REFUSAL_VERSION, 1, NULL, 0);
	refusals_add(&refusals, REFUSAL_PRIVILEGE, 2, NULL, -EPERM);
	assert_non_null(strstr(log_recent(0), "process 1"));
	log_hold(false);
	assert_int_equal(refusals.counts[REFUSAL_PRIVILEGE], 1);
}

static void test_probe_errors(void **state)
{
	(void)state;
	assert_int_equal(refusal_of_probe(-EACCES), REFUSAL_PRIVILEGE);
	assert_int_equal(refusal_of_probe(-EPERM), REFUSAL_PRIVILEGE);
	assert_int_equal(refusal_of_probe(-EMFILE), REFUSAL_FILES);
	assert_int_equal(refusal_of_probe(-ESTALE), REFUSAL_REPLACED);
	assert_int_equal(refusal_of_probe(-EOPNOTSUPP), REFUSAL_PROCESSOR);
	assert_int_equal(refusal_of_probe(-EINVAL), REFUSAL_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_said_once),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_probe_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
